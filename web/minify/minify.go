// Package minify makes what browsers load small as it is packed into a binary. Nothing needs it to run: a binary of plain `go build`
// serves the files as they were written.
package minify

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Folder is all files of a folder in fewer bytes: scripts and style sheets without comments and white space and with short names. Each
// script that no other imports has the modules that it alone needs in it; what several need stands in further files (chunk-…). What is
// neither script nor style sheet, or was made small by others (vendor), stays as it is.
func Folder(dir string) (map[string][]byte, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	files, scripts, wanted := map[string][]byte{}, []string{}, map[string]bool{}
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		switch ours := !strings.HasPrefix(name, "vendor/"); {
		case ours && path.Ext(name) == ".js":
			scripts = append(scripts, name)
			for _, m := range imported.FindAllSubmatch(data, -1) {
				wanted[path.Join(path.Dir(name), string(m[1]))] = true
			}
		case ours && path.Ext(name) == ".css":
			files[name], err = style(name, data)
		default:
			files[name] = data
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	joined, err := join(dir, slices.DeleteFunc(scripts, func(name string) bool { return wanted[name] }))
	maps.Copy(files, joined)
	return files, err
}

var imported = regexp.MustCompile(`\b(?:from|import)\s*"(\.{1,2}/[^"]+)"`)

// join makes a file of each script, with what it imports.
func join(dir string, scripts []string) (map[string][]byte, error) {
	res := api.Build(api.BuildOptions{
		AbsWorkingDir: dir, Outdir: dir, AllowOverwrite: true, EntryPoints: scripts, External: []string{"./vendor/*"}, // nothing is written
		Bundle: true, Splitting: true, Format: api.FormatESModule,
		Target: api.ESNext, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
		MinifyWhitespace: true, MinifySyntax: true, MinifyIdentifiers: true,
	})
	if err := fault(res.Errors); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, f := range res.OutputFiles {
		name, err := filepath.Rel(dir, f.Path)
		if err != nil {
			return nil, err
		}
		files[filepath.ToSlash(name)] = f.Contents
	}
	return files, nil
}

func style(name string, data []byte) ([]byte, error) {
	res := api.Transform(string(data), api.TransformOptions{
		Loader: api.LoaderCSS, Sourcefile: name, Target: api.ESNext, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone, MinifyWhitespace: true, MinifySyntax: true,
	})
	return res.Code, fault(res.Errors)
}

// fault is the first of what is wrong.
func fault(errs []api.Message) error {
	if len(errs) == 0 {
		return nil
	}
	e := errs[0]
	if at := e.Location; at != nil {
		return fmt.Errorf("%s:%d:%d: %s", at.File, at.Line, at.Column, e.Text)
	}
	return fmt.Errorf("%s", e.Text)
}
