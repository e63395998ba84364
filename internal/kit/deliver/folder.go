package deliver

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// Put writes a document below a folder that exists, whole or not at all. The same document twice is one file.
func Put(folder string, d *Document) error {
	if !filepath.IsLocal(filepath.FromSlash(d.File)) {
		return never("the file %q lies outside of the folder", d.File)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() { // a share that is not mounted is no reason to fill the disk below it
		return later("%s is no folder, or is not there", folder)
	}
	name := filepath.Join(folder, filepath.FromSlash(d.File))
	if there, err := os.ReadFile(name); err == nil && bytes.Equal(there, d.Body) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return later("%w", err)
	}
	if err := atomicfile.Write(name, d.Body); err != nil {
		return later("%w", err)
	}
	return nil
}
