// Time-stamp tokens by two libraries of Go: tspclient-go, which also asks for them over HTTP, and
// digitorus/timestamp, which sigstore uses.
//
//	ask URL ROOTS CONTENT                   tspclient-go asks for a stamp and verifies it
//	verify LIBRARY TOKEN ROOTS CONTENT      LIBRARY verifies a token; digitorus looks at no root
//
// Exits with 1 and a reason when something is not as it should be.
package main

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha512"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/digitorus/timestamp"
	"github.com/notaryproject/tspclient-go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	switch {
	case words[0] == "ask":
		return ask(words[1], words[2], words[3])
	case words[1] == "tspclient":
		return withTspclient(words[2], words[3], words[4])
	default:
		return withDigitorus(words[2], words[4])
	}
}

func ask(url, roots, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	token, err := stampOf(url, content)
	if err != nil {
		return err
	}
	return judge(token, roots, content)
}

// stampOf asks the authority for a stamp of content; the response is the answer to this request.
func stampOf(url string, content []byte) (*tspclient.SignedToken, error) {
	request, err := tspclient.NewRequest(tspclient.RequestOptions{Content: content, HashAlgorithm: crypto.SHA512})
	if err != nil {
		return nil, err
	}
	authority, err := tspclient.NewHTTPTimestamper(nil, url)
	if err != nil {
		return nil, err
	}
	response, err := authority.Timestamp(context.Background(), request)
	if err != nil {
		return nil, err
	}
	if err := response.Validate(request); err != nil {
		return nil, err
	}
	return response.SignedToken()
}

func withTspclient(path, roots, contentPath string) error {
	octets, content, err := readBoth(path, contentPath)
	if err != nil {
		return err
	}
	token, err := tspclient.ParseSignedToken(octets)
	if err != nil {
		return err
	}
	return judge(token, roots, content)
}

// readBoth returns the octets of a token and those that were stamped.
func readBoth(path, contentPath string) (octets, content []byte, err error) {
	if octets, err = os.ReadFile(path); err != nil {
		return nil, nil, err
	}
	content, err = os.ReadFile(contentPath)
	return octets, content, err
}

func judge(token *tspclient.SignedToken, roots string, content []byte) error {
	trusted, err := os.ReadFile(roots)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(trusted) {
		return fmt.Errorf("%s: no certificate", roots)
	}
	if _, err := token.Verify(context.Background(), x509.VerifyOptions{Roots: pool}); err != nil {
		return err
	}
	info, err := token.Info()
	if err != nil {
		return err
	}
	_, err = info.Validate(content)
	return err
}

func withDigitorus(path, contentPath string) error {
	octets, content, err := readBoth(path, contentPath)
	if err != nil {
		return err
	}
	stamp, err := timestamp.Parse(octets)
	if err != nil {
		return err
	}
	digest := stamp.HashAlgorithm.New()
	digest.Write(content)
	if !bytes.Equal(digest.Sum(nil), stamp.HashedMessage) {
		return fmt.Errorf("another content")
	}
	return nil
}
