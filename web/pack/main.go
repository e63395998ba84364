// Command pack writes web/packed.zip, which a binary built with the tag packed holds in place of the plain files: a quarter of their size.
package main

import (
	"archive/zip"
	"compress/flate"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"

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
	err = fs.WalkDir(web.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(web.FS, name)
		if err != nil {
			return err
		}
		small, err := minify.File(name, data)
		if err != nil {
			return err
		}
		w, err := z.Create(name)
		if err != nil {
			return err
		}
		_, err = w.Write(small)
		return err
	})
	if err != nil {
		return err
	}
	return z.Close()
}
