// Package arch holds the house to its plan: which room may lean on which, and where each library lives.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hxp-enterprise/hxp/"

// leansOn says what each room may import of ours. A room never imports another room.
var leansOn = map[string][]string{
	"cmd":             {"internal/app", "internal/kit"},
	"api":             {},
	"web":             {},
	"deploy":          {}, // what writes the dashboards
	"sdk":             {}, // public: programs outside import it, so it stands alone
	"examples":        {"sdk"},
	"internal/kit":    {"internal/kit"},
	"internal/event":  {"internal/kit"},
	"internal/agg":    {"internal/event"},
	"internal/bus":    {"internal/event", "internal/kit"},
	"internal/broker": {"internal/kit"},
	"internal/ingest": {"internal/event", "internal/bus", "api", "sdk", "internal/kit"},
	"internal/stream": {"internal/event", "internal/agg", "internal/bus", "internal/kit"},
	"internal/lake":   {"internal/event", "internal/bus", "internal/kit"},
	"internal/store":  {"internal/event", "internal/agg", "internal/kit"},
	"internal/batch":  {"internal/event", "internal/agg", "internal/bus", "internal/kit"},
	"internal/alert":  {"internal/event", "internal/bus", "internal/kit"},
	"internal/serve":  {"internal/event", "internal/agg", "internal/bus", "api", "web", "internal/kit"},
	"internal/audit":  {"internal/event", "internal/bus", "internal/kit"},
	"internal/app":    {"internal", "web", "api"},
	"test":            {"internal", "cmd", "sdk"},
}

// homes says in which folder a library may be imported. Tests may use what they like.
var homes = map[string][]string{
	"github.com/twmb/franz-go/pkg/kfake": {"internal/broker"},
	"github.com/twmb/franz-go":           {"internal/bus", "internal/broker"},
	"github.com/pierrec/lz4":             {"internal/bus"},
	"github.com/parquet-go":              {"internal/lake"},
	"github.com/minio":                   {"internal/lake"},
	"modernc.org/sqlite":                 {"internal/store"},
	"github.com/jackc/pgx":               {"internal/store"},
	"github.com/DataDog/sketches-go":     {"internal/agg"},
	"github.com/prometheus":              {"internal/kit/telemetry"},
	"github.com/spf13/cobra":             {"cmd/hxp"},
	"go.yaml.in/yaml":                    {"internal/kit/conf", "internal/stream/rule"},
	"codeberg.org/go-pdf/fpdf":           {"internal/batch/report"},
	"codeberg.org/go-fonts/liberation":   {"internal/batch/report"},
	"github.com/zeebo/xxh3":              {"internal/event", "internal/agg"},
	"google.golang.org/protobuf":         {"internal/ingest"},
	"github.com/andybalholm/brotli":      {"internal/ingest/tap"},
	"cel.dev/cel-go":                     {"internal/event/expr"},
	"github.com/evanw/esbuild":           {"web/minify"},
}

type pkg struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
	Doc        string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,GoFiles,Doc", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room returns the entry of leansOn that a package belongs to: the longest that it begins with.
func room(path string) string {
	best := ""
	for r := range leansOn {
		if within(path, r) && len(r) > len(best) {
			best = r
		}
	}
	return best
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		home := room(from)
		if home == "" {
			t.Errorf("%s belongs to no room", from)
			continue
		}
		if strings.HasSuffix(from, "test") { // bustest and the like serve tests of any room
			continue
		}
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module)
			if !ours || within(to, home) {
				continue
			}
			if !slices.ContainsFunc(leansOn[home], func(ok string) bool { return within(to, ok) }) {
				t.Errorf("%s imports %s: %s may lean on %v only", from, to, home, leansOn[home])
			}
		}
	}
}

func TestEachLibraryHasOneHome(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			lib := ""
			for l := range homes {
				if within(imported, l) && len(l) > len(lib) {
					lib = l
				}
			}
			if lib != "" && !slices.ContainsFunc(homes[lib], func(h string) bool { return within(from, h) }) {
				t.Errorf("%s imports %s, whose home is %v", from, imported, homes[lib])
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 { // go list reads no comments of folders with tests alone
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
