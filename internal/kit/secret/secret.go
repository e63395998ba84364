// Package secret reads secrets from where they are kept, so that no configuration has to hold them.
//
// In comes the place, env:NAME or file:PATH (a bare path is a file); out comes what is there, without the line break at its end. A file
// has at most 4 KiB and is a regular one: a pipe would have no end. No error holds what was read.
package secret

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxBytes bounds what a file with a secret holds.
const maxBytes = 4096

// Named tells whether a text names the place of a secret, rather than being one.
func Named(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

// Read reads file:PATH or env:NAME, and nothing where the place is empty.
func Read(where string) (string, error) { return ReadWith(where, os.LookupEnv) }

// ReadWith is Read with an environment of one's own.
func ReadWith(where string, environment func(name string) (string, bool)) (string, error) {
	if where == "" {
		return "", nil
	}
	if name, ok := strings.CutPrefix(where, "env:"); ok {
		v, ok := environment(name)
		if !ok || v == "" {
			return "", fmt.Errorf("the environment has no %s", name)
		}
		return v, nil
	}
	path := strings.TrimPrefix(where, "file:")
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if err := Regular(info, path); err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return In(f, path)
}

// Regular tells why a file is none that holds a secret.
func Regular(info os.FileInfo, path string) error {
	if !info.Mode().IsRegular() {
		return noSecret(path)
	}
	return nil
}

func noSecret(path string) error {
	return fmt.Errorf("%s is no file of at most %d bytes", path, maxBytes)
}

// In reads an open file; path is what errors call it.
func In(f io.Reader, path string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxBytes {
		return "", noSecret(path)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
