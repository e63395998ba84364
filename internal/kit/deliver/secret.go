package deliver

import (
	"fmt"
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
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return "", fmt.Errorf("%s is no file of at most %d bytes", path, maxSecret)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
