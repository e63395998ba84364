package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"
)

// A token is hxp_ID_SECRET. The id is for people and for finding the token; the secret has 256 bits. Both are lower-case letters and digits
// alone, so that a token is one word everywhere and is found by those who look for leaked ones.
const (
	tokenPrefix  = "hxp_"
	idBytes      = 10  // of an id that is made here, in characters
	maxTokenText = 128 // bytes; more is no token
	maxID        = 32
)

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newID makes an id of 50 bits.
func newID() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	return letters.EncodeToString(raw[:])[:idBytes]
}

// newSecret makes a secret.
func newSecret() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return letters.EncodeToString(raw[:])
}

// join makes the text of a token.
func join(id, secret string) string { return tokenPrefix + id + "_" + secret }

// split takes the text of a token apart.
func split(text string) (id, secret string, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) > maxTokenText {
		return "", "", false
	}
	id, secret, ok = strings.Cut(rest, "_")
	return id, secret, ok && isWord(id) && len(id) <= maxID && isWord(secret)
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
}

// digest is what is kept of a secret. A fast hash is enough: nobody tries 2^256 secrets.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// is compares in constant time.
func (d digest) is(other digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }

// MarshalText writes hexadecimal.
func (d digest) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText reads hexadecimal.
func (d *digest) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(d[:], text[:min(len(text), 2*len(d))]); err != nil || n != len(d) || len(text) != 2*len(d) {
		return fmt.Errorf("%.80q is no sha256 in hexadecimal", text)
	}
	return nil
}
