//go:build packed

package web

import (
	"archive/zip"
	_ "embed"
	"io/fs"
	"strings"
)

//go:embed packed.zip
var packed string

// FS are the files.
var FS = open()

func open() fs.FS {
	r, err := zip.NewReader(strings.NewReader(packed), int64(len(packed)))
	if err != nil {
		panic("web: the files of the dashboards are damaged: " + err.Error()) // they are a part of this binary
	}
	return r
}
