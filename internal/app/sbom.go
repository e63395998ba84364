package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// What of CycloneDX 1.5 a list of modules needs.
type (
	sbom struct {
		Format     string          `json:"bomFormat"`
		Spec       string          `json:"specVersion"`
		Version    int             `json:"version"`
		Metadata   sbomMetadata    `json:"metadata"`
		Components []sbomComponent `json:"components"`
	}
	sbomMetadata struct {
		Component  sbomComponent  `json:"component"`
		Properties []sbomProperty `json:"properties"`
	}
	sbomComponent struct {
		Type       string         `json:"type"`
		Ref        string         `json:"bom-ref"`
		Name       string         `json:"name"`
		Version    string         `json:"version"`
		PURL       string         `json:"purl"`
		Properties []sbomProperty `json:"properties,omitempty"`
	}
	sbomProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// WriteSBOM writes the bill of materials of this binary as CycloneDX JSON: the modules that the linker put in, as the binary itself says.
func WriteSBOM(w io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this binary does not say what it was built from; build it with Go modules")
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(sbomOf(info))
}

func sbomOf(info *debug.BuildInfo) sbom {
	main := moduleComponent(&debug.Module{Path: info.Main.Path, Version: Version}, "application")
	out := sbom{Format: "CycloneDX", Spec: "1.5", Version: 1, Components: []sbomComponent{}, Metadata: sbomMetadata{Component: main}}
	for _, s := range info.Settings {
		out.Metadata.Properties = append(out.Metadata.Properties, sbomProperty{"go:build:" + s.Key, s.Value})
	}
	out.Components = append(out.Components, vendored...)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		out.Components = append(out.Components, moduleComponent(m, "library"))
	}
	// The standard library is called what scanners of such bills call it.
	out.Components = append(out.Components, moduleComponent(&debug.Module{Path: "stdlib", Version: strings.TrimPrefix(cmp.Or(info.GoVersion, runtime.Version()), "go")}, "library"))
	return out
}

// vendored are works of others that are in the binary and no modules of Go that are linked in. A test holds them to the repository.
var vendored = []sbomComponent{
	{Type: "library", Ref: "pkg:npm/uplot@1.6.32", Name: "uplot", Version: "1.6.32", PURL: "pkg:npm/uplot@1.6.32"},
	{Type: "file", Ref: "pkg:golang/codeberg.org/go-fonts/liberation@v0.6.0", Name: "codeberg.org/go-fonts/liberation", Version: "v0.6.0", PURL: "pkg:golang/codeberg.org/go-fonts/liberation@v0.6.0"},
}

func moduleComponent(m *debug.Module, kind string) sbomComponent {
	c := sbomComponent{Type: kind, Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")}
	c.Ref = c.PURL
	if m.Sum != "" {
		c.Properties = []sbomProperty{{"go:sum", m.Sum}}
	}
	return c
}
