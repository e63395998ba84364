package deliver

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// maxSecret bounds what a file with a secret holds.
const maxSecret = 4096

// Secret reads file:PATH or env:NAME. No error holds what was read.
func Secret(where string) (string, error) {
	if where == "" {
		return "", nil
	}
	if name, ok := strings.CutPrefix(where, "env:"); ok {
		v, ok := os.LookupEnv(name)
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
	if !info.Mode().IsRegular() {
		return "", errNoSecret(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return secretIn(f, path)
}

func errNoSecret(path string) error {
	return fmt.Errorf("%s is no file of at most %d bytes", path, maxSecret)
}

// secretIn reads an open file.
func secretIn(f io.Reader, path string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecret {
		return "", errNoSecret(path)
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
