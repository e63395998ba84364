// Package minify makes scripts and style sheets small as they are packed into a binary. Nothing needs it to run: a binary of plain
// `go build` serves the files as they were written.
package minify

import (
	"fmt"
	"path"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// File is an ES module or a style sheet in fewer bytes: without comments and white space, with short names for what is not
// exported. What is neither of the two, or was made small by others, stays as it is.
func File(name string, data []byte) ([]byte, error) {
	loader, ok := map[string]api.Loader{".js": api.LoaderJS, ".css": api.LoaderCSS}[path.Ext(name)]
	if !ok || strings.Contains(name, "vendor/") {
		return data, nil
	}
	res := api.Transform(string(data), api.TransformOptions{
		Loader: loader, Target: api.ESNext, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		MinifyWhitespace: true, MinifySyntax: true, MinifyIdentifiers: true,
	})
	if len(res.Errors) > 0 {
		e := res.Errors[0]
		if at := e.Location; at != nil {
			return nil, fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, e.Text)
		}
		return nil, fmt.Errorf("%s: %s", name, e.Text)
	}
	return res.Code, nil
}
