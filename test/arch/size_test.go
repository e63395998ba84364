package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// templates are the packages that call methods by a name known only when the program runs. Where they are linked, the linker must keep
// every exported method of every type, which makes the binary a fifth larger.
var templates = map[string]bool{"text/template": true, "html/template": true}

// careful says which libraries may import templates, because the linker leaves them out as long as we do not use certain names.
var careful = map[string]*regexp.Regexp{
	"github.com/spf13/cobra": regexp.MustCompile(`\.(Set(Usage|Help|Version)Template|AddTemplateFuncs?)\b`),
	"cel.dev/cel-go/cel":     regexp.MustCompile(`\.AuthoringPrompt`),
}

var byName = regexp.MustCompile(`\.MethodByName\(`)

// TestNoTemplates holds the binary to the methods that it can call.
func TestNoTemplates(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Standard", module+"cmd/hxp").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			Standard   bool
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, imported := range p.Imports {
			if templates[imported] && !p.Standard && careful[p.ImportPath] == nil {
				t.Errorf("%s imports %s: write the text by hand, or show that the linker leaves it out and add it to careful", p.ImportPath, imported)
			}
		}
	}
	sources(t, func(path, text string) {
		for library, names := range careful {
			if use := names.FindString(text); use != "" {
				t.Errorf("%s uses %s, which links the templates of %s", path, use, library)
			}
		}
		if byName.MatchString(text) {
			t.Errorf("%s looks up a method by name", path)
		}
	})
}

// sources shows each Go file of ours that is no test.
func sources(t *testing.T, show func(path, text string)) {
	t.Helper()
	for _, folder := range []string{"../../cmd", "../../internal", "../../web"} {
		err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil {
				show(path, string(text))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
