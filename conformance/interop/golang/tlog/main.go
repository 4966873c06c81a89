// A transparency log, its proofs and its witnesses, by programs of others: golang.org/x/mod/sumdb (tlog, note),
// transparency-dev/formats, transparency-dev/tessera and filippo.io/torchwood.
//
//	read URL VKEYS AUTHORIZATION       x/mod reads checkpoint, tiles and entries, and proves them to itself
//	fsck URL VKEYS AUTHORIZATION       tessera recomputes the whole log from its entries
//	proof PROOF VKEYS LEAF             formats and torchwood verify a tlog-proof of a leaf
//	log FOLDER POLICY COUNT            a log of tessera in FOLDER grows by COUNT entries; the witnesses of POLICY
//	                                   must cosign its checkpoint, which is printed
//	keys FOLDER ORIGIN                 makes the keys of such a log; prints its verifier keys
//	cosigned VKEYS                     x/mod and formats verify a checkpoint (standard input) with all of VKEYS
//
// URL ends in /log/, VKEYS is a file with a verifier key a line. Exits with 1 and a reason when something is not
// as it should be; else prints in JSON what was done.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	done, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
		panic(err)
	}
}

func run(act string, words []string) (any, error) {
	switch act {
	case "read":
		return read(words[0], words[1], words[2])
	case "fsck":
		return check(words[0], words[1], words[2])
	case "proof":
		return verifyProof(words[0], words[1], words[2])
	case "log":
		return grow(words[0], words[1], words[2])
	case "keys":
		return makeKeys(words[0], words[1])
	case "cosigned":
		return cosigned(words[0])
	}
	return nil, fmt.Errorf("no act %q", act)
}
