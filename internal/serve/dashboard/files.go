package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/web"
)

// files serves a folder that never changes, from memory, compressed where that is asked for.
type files struct{ byPath map[string]*file }

type file struct {
	kind         string
	plain, small []byte // small is gzip; nil when it is not smaller
	tag          string // without quotes
}

// kinds are named here and not asked of the system, whose tables differ between machines.
var kinds = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", "": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
}

// static are the files of the boards: the same for every page, so they are read and compressed once.
var static = sync.OnceValues(func() (*files, error) {
	folder, err := fs.Sub(web.FS, "static")
	if err != nil {
		return nil, err
	}
	return load(folder)
})

func load(folder fs.FS) (*files, error) {
	f := &files{byPath: map[string]*file{}}
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		kind, ok := kinds[path.Ext(name)]
		if !ok {
			return fmt.Errorf("%s: no media type is known for %q; add it to kinds", name, path.Ext(name))
		}
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		one := &file{kind: kind, plain: data, tag: hex.EncodeToString(sum[:8])}
		if small := squeeze(data); len(small) < len(data) {
			one.small = small
		}
		f.byPath[name] = one
		return nil
	})
	return f, err
}

var imported = regexp.MustCompile(`\b(?:from|import)\s*"(\.{1,2}/[^"]+)"`)

// modules are what a script imports, directly or not, in the order in which they are found.
func (f *files) modules(script string) (found []string) {
	seen := map[string]bool{script: true}
	for todo := []string{script}; len(todo) > 0; todo = todo[1:] {
		one := f.byPath[todo[0]]
		if one == nil {
			continue
		}
		for _, m := range imported.FindAllSubmatch(one.plain, -1) {
			if name := path.Join(path.Dir(todo[0]), string(m[1])); !seen[name] {
				seen[name] = true
				found, todo = append(found, name), append(todo, name)
			}
		}
	}
	return found
}

func squeeze(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(data)                                  // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := f.byPath[r.PathValue("path")]
	if one == nil {
		httpx.Problem(w, r, http.StatusNotFound, "there is no such file; the board is at /")
		return
	}
	data, tag := one.plain, one.tag
	h := w.Header()
	h.Set("Vary", "Accept-Encoding")
	if one.small != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		data, tag = one.small, tag+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+tag+`"`)
	h.Set("Cache-Control", "no-cache") // keep it, but ask: a new version has new files
	h.Set("Content-Type", one.kind)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
