// Command pack writes web/packed.zip, which a binary built with the tag packed holds in place of the plain files: a fifth of their size.
package main

import (
	"archive/zip"
	"compress/flate"
	"io"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hxp-enterprise/hxp/web"
	"github.com/hxp-enterprise/hxp/web/minify"
)

func main() {
	log.SetFlags(0)
	if err := pack(filepath.Join("web", "packed.zip")); err != nil {
		log.Fatal("pack: ", err)
	}
}

// pack writes all files of package web made small, in the order of their names and without times: the same bytes for the same files.
func pack(name string) (err error) {
	files, err := small()
	if err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	z := zip.NewWriter(f)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	return z.Close()
}

// small are the files by name: pages as they are, and what they load.
func small() (map[string][]byte, error) {
	static, err := minify.Folder(filepath.Join("web", "static"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, data := range static {
		files["static/"+name] = data
	}
	pages, err := fs.Glob(web.FS, "*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range pages {
		if files[name], err = fs.ReadFile(web.FS, name); err != nil {
			return nil, err
		}
	}
	return files, nil
}
