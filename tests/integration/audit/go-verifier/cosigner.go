package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const cosignatureV1 = 4

// cosigner is a note.Verifier for cosignature/v1 (C2SP tlog-cosignature), which x/mod leaves to its users.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 { return c.hash }

func (c cosigner) Verify(message, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), message)
	return ed25519.Verify(c.key, []byte(signed), signature[8:])
}

// cosigners are the witnesses named on the command line.
type cosigners []cosigner

func (c *cosigners) String() string { return fmt.Sprint(len(*c)) }

// Set reads a vkey: name, key id in hexadecimal, and base64 of algorithm and key, joined by plus signs.
func (c *cosigners) Set(vkey string) error {
	name, rest, _ := strings.Cut(vkey, "+")
	id, encoded, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureV1 {
		return errors.New("not a cosignature/v1 key")
	}
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	if fmt.Sprintf("%x", sum[:4]) != id {
		return errors.New("the key id is another key's")
	}
	*c = append(*c, cosigner{name, binary.BigEndian.Uint32(sum[:4]), key[1:]})
	return nil
}

var (
	witnesses cosigners
	quorum    int
)
