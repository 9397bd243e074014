// Command go-verifier checks a node's published audit log with golang.org/x/mod/sumdb, which shares no code with it.
//
//	go-verifier [-old CHECKPOINT] [-quorum N -witness VKEY ...] DIRECTORY VKEY
//
// It opens the signed checkpoint, proves every entry to be included in it, and, given an older checkpoint, that the
// newer tree continues the older. Given witnesses, so many of them must have cosigned (cosignature/v1). It prints one
// line and exits 0, or exits 1 and says what is wrong.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// directory reads tiles as files, under the paths of C2SP tlog-tiles.
type directory string

func (d directory) Height() int { return height }

func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}

func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	contents := make([][]byte, len(tiles))
	for i, tile := range tiles {
		content, err := d.read(tile)
		if err != nil {
			return nil, err
		}
		contents[i] = content
	}
	return contents, nil
}

// read returns a tile, or the beginning of the full one where the partial one has been removed.
func (d directory) read(tile tlog.Tile) ([]byte, error) {
	content, err := os.ReadFile(d.path(tile))
	if errors.Is(err, os.ErrNotExist) && tile.W < 1<<height {
		full := tile
		full.W = 1 << height
		content, err = os.ReadFile(d.path(full))
		if err == nil && tile.L >= 0 && len(content) >= tile.W*tlog.HashSize {
			content = content[:tile.W*tlog.HashSize]
		}
	}
	return content, err
}

func (d directory) path(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	path = strings.Replace(path, "data/", "entries/", 1)
	return filepath.Join(string(d), "tile", path)
}

func open(file, vkey string) (tlog.Tree, error) {
	message, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	known := []note.Verifier{verifier}
	for _, witness := range witnesses {
		known = append(known, witness)
	}
	opened, err := note.Open(message, note.VerifierList(known...))
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, cosigned := false, 0
	for _, signature := range opened.Sigs {
		if signature.Name == verifier.Name() && signature.Hash == verifier.KeyHash() {
			signed = true
		} else {
			cosigned++
		}
	}
	if !signed || cosigned < quorum {
		return tlog.Tree{}, fmt.Errorf("%s: signed by the log: %v, cosigned by %d of %d", file, signed, cosigned, quorum)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("%s is no checkpoint of %s", file, verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("%s has no root", file)
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// entries returns the entries of one bundle.
func entries(bundle []byte) ([][]byte, error) {
	var found [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, errors.New("a bundle is cut short")
		}
		length := int(binary.BigEndian.Uint16(bundle))
		if len(bundle) < 2+length {
			return nil, errors.New("a bundle is cut short")
		}
		found = append(found, bundle[2:2+length])
		bundle = bundle[2+length:]
	}
	return found, nil
}

func checkEntries(d directory, tree tlog.Tree, reader tlog.HashReader) error {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := min(tree.N-first, 1<<height)
		content, err := d.read(tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)})
		if err != nil {
			return err
		}
		bundle, err := entries(content)
		if err != nil {
			return err
		}
		if int64(len(bundle)) < width {
			return fmt.Errorf("the bundle from entry %d has %d entries, not %d", first, len(bundle), width)
		}
		for offset, entry := range bundle[:width] {
			index := first + int64(offset)
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
	}
	return nil
}

func run() error {
	flag.Var(&witnesses, "witness", "a witness's cosignature/v1 key; may be repeated")
	flag.IntVar(&quorum, "quorum", 0, "how many of the witnesses must have cosigned")
	old := flag.String("old", "", "an older signed checkpoint of the same log")
	flag.Parse()
	if flag.NArg() != 2 {
		return errors.New("usage: go-verifier [-old CHECKPOINT] [-quorum N -witness VKEY ...] DIRECTORY VKEY")
	}
	d, vkey := directory(flag.Arg(0)), flag.Arg(1)
	tree, err := open(filepath.Join(string(d), "checkpoint"), vkey)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, d)
	if err := checkEntries(d, tree, reader); err != nil {
		return err
	}
	if *old != "" {
		earlier, err := open(*old, vkey)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, earlier.N, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, earlier.N, earlier.Hash); err != nil {
			return fmt.Errorf("not a continuation: %w", err)
		}
	}
	fmt.Printf("ok size %d root %v\n", tree.N, tree.Hash)
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "go-verifier:", err)
		os.Exit(1)
	}
}
