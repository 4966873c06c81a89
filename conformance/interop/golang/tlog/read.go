package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/torchwood"
	f_log "github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// keys of a log: Ed25519 by x/mod, and ML-DSA-44 by formats over filippo.io/mldsa.
type keys struct {
	ed25519 note.Verifier
	mldsa   note.Verifier
}

func readKeys(path string) (found keys, err error) {
	octets, err := os.ReadFile(path)
	if err != nil {
		return found, err
	}
	lines := strings.Fields(string(octets))
	if len(lines) != 2 {
		return found, fmt.Errorf("%s: %d keys", path, len(lines))
	}
	if found.ed25519, err = note.NewVerifier(lines[0]); err != nil {
		return found, err
	}
	mldsa, err := f_note.NewMLDSAVerifier(lines[1])
	found.mldsa = mldsa
	return found, err
}

// open verifies a checkpoint with each key alone, where the other line must be passed over, and with both.
func (k keys) open(octets []byte) (tlog.Tree, error) {
	for _, each := range []note.Verifier{k.ed25519, k.mldsa} {
		opened, err := note.Open(octets, note.VerifierList(each))
		if err != nil {
			return tlog.Tree{}, err
		}
		if len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) == 0 {
			return tlog.Tree{}, fmt.Errorf("%d signatures, %d others", len(opened.Sigs), len(opened.UnverifiedSigs))
		}
	}
	found, rest, opened, err := f_log.ParseCheckpoint(octets, k.ed25519.Name(), k.ed25519, k.mldsa)
	if err != nil {
		return tlog.Tree{}, err
	}
	if len(opened.Sigs) != 2 || len(rest) != 0 {
		return tlog.Tree{}, fmt.Errorf("%d signatures, %d octets of extensions", len(opened.Sigs), len(rest))
	}
	for at := range octets[:len(opened.Text)] {
		changed := []byte(string(octets))
		changed[at] ^= 1
		if _, err := note.Open(changed, note.VerifierList(k.ed25519, k.mldsa)); err == nil {
			return tlog.Tree{}, fmt.Errorf("changed at %d it verifies", at)
		}
	}
	return tlog.Tree{N: int64(found.Size), Hash: tlog.Hash(found.Hash)}, nil
}

// remote is a log below a URL; it counts what it fetches.
type remote struct {
	url, authorization string
	tiles              int
}

func (r *remote) fetch(path string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, r.url+path, nil)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "tile/entries/") { // hashes and checkpoints are for everybody
		request.Header.Set("Authorization", r.authorization)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

func (r *remote) Height() int { return torchwood.TileHeight }

func (r *remote) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		octets, err := r.fetch(torchwood.TilePath(tile))
		if err != nil {
			return nil, err
		}
		r.tiles++
		found = append(found, octets)
	}
	return found, nil
}

func (r *remote) SaveTiles([]tlog.Tile, [][]byte) {}

type readReport struct {
	Size, Records, Sizes, Tiles int
	Root                        string
}

func read(url, vkeys, authorization string) (any, error) {
	trusted, err := readKeys(vkeys)
	if err != nil {
		return nil, err
	}
	log := &remote{url: url, authorization: authorization}
	octets, err := log.fetch("checkpoint")
	if err != nil {
		return nil, err
	}
	tree, err := trusted.open(octets)
	if err != nil {
		return nil, err
	}
	hashes := tlog.TileHashReader(tree, log)
	done := readReport{Size: int(tree.N), Root: tree.Hash.String()}
	if done.Sizes, err = proveTrees(tree, hashes); err != nil {
		return nil, err
	}
	if done.Records, err = proveRecords(log, tree, hashes); err != nil {
		return nil, err
	}
	done.Tiles = log.tiles
	return done, nil
}

// proveTrees proves that the tree begins with the one of every smaller size; a proof proves nothing else.
func proveTrees(tree tlog.Tree, hashes tlog.HashReader) (int, error) {
	for size := int64(1); size <= tree.N; size++ {
		old, err := tlog.TreeHash(size, hashes)
		if err != nil {
			return 0, err
		}
		path, err := tlog.ProveTree(tree.N, size, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(path, tree.N, tree.Hash, size, old); err != nil {
			return 0, fmt.Errorf("size %d: %w", size, err)
		}
		old[0] ^= 1
		if tlog.CheckTree(path, tree.N, tree.Hash, size, old) == nil {
			return 0, fmt.Errorf("size %d: another root is proven too", size)
		}
	}
	return int(tree.N), nil
}

// proveRecords fetches all entries and proves each to be the record of its index.
func proveRecords(log *remote, tree tlog.Tree, hashes tlog.HashReader) (int, error) {
	index := int64(0)
	for index < tree.N {
		width := min(tree.N-index, torchwood.TileWidth)
		bundle, err := log.fetch(torchwood.TilePath(tlog.Tile{H: 8, L: -1, N: index / torchwood.TileWidth, W: int(width)}))
		if err != nil {
			return 0, err
		}
		for ; width > 0; width-- {
			var entry []byte
			if entry, bundle, err = torchwood.ReadTileEntry(bundle); err != nil {
				return 0, err
			}
			if err := proveRecord(tree, hashes, index, entry); err != nil {
				return 0, fmt.Errorf("record %d: %w", index, err)
			}
			index++
		}
		if len(bundle) != 0 {
			return 0, errors.New("octets after the last entry")
		}
	}
	return int(index), nil
}

func proveRecord(tree tlog.Tree, hashes tlog.HashReader, index int64, entry []byte) error {
	path, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	if tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(append(slices.Clone(entry), 0x20))) == nil {
		return errors.New("another record is proven too")
	}
	return nil
}

func check(address, vkeys, authorization string) (any, error) {
	trusted, err := readKeys(vkeys)
	if err != nil {
		return nil, err
	}
	root, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	fetcher, err := client.NewHTTPFetcher(root, nil)
	if err != nil {
		return nil, err
	}
	fetcher.SetAuthorizationHeader(authorization)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return true, fsck.New(trusted.ed25519.Name(), trusted.ed25519, fetcher, leafHashes, fsck.Opts{}).Check(ctx)
}

func leafHashes(octets []byte) ([][]byte, error) {
	bundle := &api.EntryBundle{}
	if err := bundle.UnmarshalText(octets); err != nil {
		return nil, err
	}
	var found [][]byte
	for _, entry := range bundle.Entries {
		hash := tlog.RecordHash(entry)
		found = append(found, hash[:])
	}
	return found, nil
}

func verifyProof(path, vkeys, leafPath string) (any, error) {
	trusted, err := readKeys(vkeys)
	if err != nil {
		return nil, err
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	leaf, err := os.ReadFile(leafPath)
	if err != nil {
		return nil, err
	}
	var read proof.TLogProof
	if err := read.Unmarshal(octets); err != nil {
		return nil, err
	}
	tree, err := trusted.open(read.Checkpoint)
	if err != nil {
		return nil, err
	}
	var hashes tlog.RecordProof
	for _, each := range read.Hashes {
		hashes = append(hashes, each)
	}
	if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, int64(read.Index), tlog.RecordHash(leaf)); err != nil {
		return nil, err
	}
	// Torchwood reads the same octets by itself; each of the two keys alone satisfies a policy of it.
	for _, each := range []note.Verifier{trusted.ed25519, trusted.mldsa} {
		policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(each.Name()), torchwood.SingleVerifierPolicy(each))
		if err := torchwood.VerifyProof(policy, tlog.RecordHash(leaf), octets); err != nil {
			return nil, err
		}
	}
	return read.Index, nil
}
