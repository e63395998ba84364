package report

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"sync"
)

// The fonts of the PDF have what printable lets through: Liberation Sans, cut down by fonts/main.go. Their licence lies beside them.
//
//go:generate go run ./fonts 20-7e,a0-17f,391-3c9,400-45f,2013,2014,2018,2019,201c,201d,201e,2022,2026,2030,20ac,2192,2212,2260,2264,2265,25b2,25bc fonts
var (
	//go:embed fonts/regular.ttf.gz
	regularGzip []byte
	//go:embed fonts/bold.ttf.gz
	boldGzip []byte

	regular = sync.OnceValue(func() []byte { return unpack(regularGzip) })
	bold    = sync.OnceValue(func() []byte { return unpack(boldGzip) })
)

// unpack reads what is part of the binary, so that a fault in it is one of the build.
func unpack(packed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err)
	}
	font, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return font
}
