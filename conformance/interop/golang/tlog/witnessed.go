package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func makeKeys(folder, origin string) (any, error) {
	private, public, err := note.GenerateKey(nil, origin)
	if err != nil {
		return nil, err
	}
	privateMLDSA, publicMLDSA, err := f_note.GenerateMLDSAKey(origin)
	if err != nil {
		return nil, err
	}
	content := []byte(private + "\n" + privateMLDSA + "\n")
	return []string{public, publicMLDSA}, os.WriteFile(filepath.Join(folder, "keys"), content, 0o600)
}

// grow adds entries to a log, which signs with both keys; it returns the checkpoint with enough cosignatures.
func grow(folder, policyPath, count string) (any, error) {
	options, err := optionsOf(folder, policyPath)
	if err != nil {
		return nil, err
	}
	entries, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(folder, "log")})
	if err != nil {
		return nil, err
	}
	appender, stop, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return nil, err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 100*time.Millisecond)
	var futures []tessera.IndexFuture
	for number := range entries {
		futures = append(futures, appender.Add(ctx, tessera.NewEntry([]byte("entry "+strconv.Itoa(number)))))
	}
	var checkpoint []byte
	for _, future := range futures {
		if _, checkpoint, err = awaiter.Await(ctx, future); err != nil {
			return nil, err
		}
	}
	return string(checkpoint), stop(ctx)
}

func optionsOf(folder, policyPath string) (*tessera.AppendOptions, error) {
	keys, err := os.ReadFile(filepath.Join(folder, "keys"))
	if err != nil {
		return nil, err
	}
	private, privateMLDSA, _ := strings.Cut(strings.TrimSpace(string(keys)), "\n")
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	signerMLDSA, err := f_note.NewMLDSASigner(privateMLDSA)
	if err != nil {
		return nil, err
	}
	policy, err := os.ReadFile(policyPath)
	if err != nil {
		return nil, err
	}
	witnesses, err := tessera.NewWitnessGroupFromPolicy(policy)
	if err != nil {
		return nil, err
	}
	return tessera.NewAppendOptions().
		WithCheckpointSigner(signer, signerMLDSA).
		WithBatching(64, 50*time.Millisecond).
		WithCheckpointInterval(200*time.Millisecond).
		WithWitnesses(witnesses, nil), nil
}

func cosigned(vkeys string) (any, error) {
	octets, err := os.ReadFile(vkeys)
	if err != nil {
		return nil, err
	}
	var trusted []note.Verifier
	for _, vkey := range strings.Fields(string(octets)) {
		each, err := verifierOf(vkey)
		if err != nil {
			return nil, fmt.Errorf("%.60s: %w", vkey, err)
		}
		trusted = append(trusted, each)
	}
	checkpoint, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	opened, err := note.Open(checkpoint, note.VerifierList(trusted...))
	if err != nil {
		return nil, err
	}
	if len(opened.Sigs) != len(trusted) {
		return nil, fmt.Errorf("%d signatures of %d keys", len(opened.Sigs), len(trusted))
	}
	return len(opened.Sigs), nil
}

func verifierOf(vkey string) (note.Verifier, error) {
	if plain, err := note.NewVerifier(vkey); err == nil {
		return plain, nil
	}
	if mldsa, err := f_note.NewMLDSAVerifier(vkey); err == nil {
		return mldsa, nil
	}
	return f_note.NewVerifierForCosignatureV1(vkey)
}
