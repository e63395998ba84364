//go:build !packed

package web

import (
	"embed"
	"io/fs"
)

//go:embed *.html static
var plain embed.FS

// FS are the files.
var FS fs.FS = plain
