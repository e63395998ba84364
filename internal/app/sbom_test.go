package app

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
)

func TestSBOM(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.1", Main: debug.Module{Path: "example.org/x"}, Deps: []*debug.Module{
		{Path: "example.org/a", Version: "v1.2.3", Sum: "h1:abc"},
		{Path: "example.org/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v1.0.1"}},
	}, Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}}}
	text, err := json.Marshal(sbomOf(info))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"bomFormat":"CycloneDX"`, `"purl":"pkg:golang/example.org/a@v1.2.3"`, `{"name":"go:sum","value":"h1:abc"}`, `"pkg:golang/example.org/fork@v1.0.1"`, `"pkg:golang/std@go1.26.1"`, `{"name":"go:build:GOOS","value":"linux"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}
