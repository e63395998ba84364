package batch

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// home names the folder of reports: what is to be delivered lies there, so whoever has the folder delivers, be it a new container with
// another host name or a second process. The name is made once and kept in the folder.
type home struct {
	dir, host string

	mu   sync.Mutex
	said string
}

// homeFile keeps the name; no kind of report is called so.
const homeFile = "folder.id"

// name reads or makes it. It asks again after an error, since a folder may be mounted late.
func (h *home) name() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.said != "" {
		return h.said, nil
	}
	said, err := h.read()
	if errors.Is(err, os.ErrNotExist) {
		if err = h.make(); err == nil {
			said, err = h.read()
		}
	}
	if err != nil {
		return "", fmt.Errorf("name of the folder of reports: %w", err)
	}
	h.said = said
	return said, nil
}

func (h *home) read() (string, error) {
	text, err := os.ReadFile(filepath.Join(h.dir, homeFile))
	if err != nil {
		return "", err
	}
	said := strings.TrimSpace(string(text))
	if said == "" || len(said) > 256 {
		return "", fmt.Errorf("%s holds no name; remove it, and a new one is made", filepath.Join(h.dir, homeFile))
	}
	return said, nil
}

// make writes a name that nobody else has, unless another process is first: its file stands, whole.
func (h *home) make() error {
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return err
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	random := hex.EncodeToString(b[:])
	draft := filepath.Join(h.dir, homeFile+"-"+random)
	if err := atomicfile.Write(draft, []byte(strings.TrimPrefix(h.host+"-", "-")+random+"\n")); err != nil {
		return err
	}
	defer os.Remove(draft)
	if err := os.Link(draft, filepath.Join(h.dir, homeFile)); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return atomicfile.SyncDir(h.dir)
}
