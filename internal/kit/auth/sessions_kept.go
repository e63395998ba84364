package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// keptSession is what is written down of a session. Who reads it gets in nowhere: of the cookie it has the sha256, and the token is sealed with a
// key that is made of the cookie.
type keptSession struct {
	ID     digest    `json:"sha256"`
	Token  string    `json:"token_id"`
	Sealed []byte    `json:"sealed"`
	Began  time.Time `json:"began"`
	Until  time.Time `json:"until"`
}

type keptSessions struct {
	Version  int           `json:"version"`
	Sessions []keptSession `json:"sessions"`
}

const (
	keptVersion  = 1
	maxKeptBytes = 4 << 20
)

// KeepIn keeps sessions in a file, so that they outlive the process, and takes those in that are there. On an error, all begin anew and the next
// login writes the file. Call it before the first request.
func (s *Sessions) KeepIn(path string) error {
	s.file = path
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var k keptSessions
	if err == nil && len(text) > maxKeptBytes {
		err = fmt.Errorf("%d bytes are more than sessions take", len(text))
	}
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err == nil && k.Version != keptVersion {
		err = fmt.Errorf("version %d is not known here; this program writes %d", k.Version, keptVersion)
	}
	if err != nil {
		return fmt.Errorf("sessions of %s: %w", path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, one := range k.Sessions {
		if end := one.Began.Add(s.life); end.Before(one.Until) { // the setting is shorter now
			one.Until = end
		}
		if now.Before(one.Until) && len(s.kept) < maxSessions {
			s.kept[one.ID] = one
		}
	}
	return nil
}

// write writes all sessions down. It runs under mu.
func (s *Sessions) write() error {
	if s.file == "" {
		return nil
	}
	k := keptSessions{Version: keptVersion, Sessions: []keptSession{}}
	for _, one := range s.kept {
		k.Sessions = append(k.Sessions, one)
	}
	text, err := json.Marshal(k)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(s.file), 0o700)
	}
	if err == nil {
		err = atomicfile.WritePrivate(s.file, text)
	}
	if err != nil {
		return fmt.Errorf("sessions cannot be kept: %w", err)
	}
	return nil
}

// sealing is the cipher of the token of a session. Its key is of the cookie and seals once.
func sealing(secret string) cipher.AEAD {
	key := sha256.Sum256([]byte("hxp session 1\n" + secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the right block
	}
	return aead
}

func seal(secret, token string) []byte {
	aead := sealing(secret)
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, []byte(token), nil)
}

func unseal(secret string, sealed []byte) (token string, ok bool) {
	aead := sealing(secret)
	if len(sealed) < aead.NonceSize() {
		return "", false
	}
	text, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	return string(text), err == nil
}
