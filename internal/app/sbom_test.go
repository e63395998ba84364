package app

import (
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

func TestSBOM(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.1", Main: debug.Module{Path: "example.org/x"}, Deps: []*debug.Module{
		{Path: "example.org/a", Version: "v1.2.3", Sum: "h1:abc"},
		{Path: "example.org/c", Version: "v2.0.0+incompatible"},
		{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v1.0.1"}},
	}, Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}}}
	text, err := json.Marshal(sbomOf(info))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"bomFormat":"CycloneDX"`, `"purl":"pkg:golang/example.org/a@v1.2.3"`, `{"name":"go:sum","value":"h1:abc"}`, `"pkg:golang/example.org/fork@v1.0.1"`, `"purl":"pkg:golang/stdlib@1.26.1"`, `"purl":"pkg:golang/example.org/x@dev"`, `"purl":"pkg:golang/example.org/c@v2.0.0%2Bincompatible"`, `"purl":"pkg:npm/uplot@`, `{"name":"go:build:GOOS","value":"linux"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}

// The bill names what lies in the repository in the version that lies there.
func TestSBOMOfVendored(t *testing.T) {
	for i, in := range []struct{ file, words string }{
		{"../../web/static/vendor/uplot/README.md", "uPlot " + vendored[0].Version + ","},
		{"../../go.mod", vendored[1].Name + " " + vendored[1].Version + "\n"},
	} {
		if text, err := os.ReadFile(in.file); err != nil || !strings.Contains(string(text), in.words) {
			t.Errorf("%s is another version than %s of the bill: %v", in.file, vendored[i].Ref, err)
		}
	}
	if folders, err := os.ReadDir("../../web/static/vendor"); err != nil || len(folders) != 1 {
		t.Errorf("%d libraries of scripts lie in the repository, and one is in the bill: %v", len(folders), err)
	}
}
