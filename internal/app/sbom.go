package app

import (
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
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
	main := moduleComponent(&info.Main, "application")
	main.Version = Version
	out := sbom{Format: "CycloneDX", Spec: "1.5", Version: 1, Components: []sbomComponent{}, Metadata: sbomMetadata{Component: main}}
	for _, s := range info.Settings {
		out.Metadata.Properties = append(out.Metadata.Properties, sbomProperty{"go:build:" + s.Key, s.Value})
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		out.Components = append(out.Components, moduleComponent(m, "library"))
	}
	version := info.GoVersion
	if version == "" {
		version = runtime.Version()
	}
	out.Components = append(out.Components, sbomComponent{Type: "library", Ref: "pkg:golang/std@" + version, Name: "std", Version: version, PURL: "pkg:golang/std@" + version})
	return out
}

func moduleComponent(m *debug.Module, kind string) sbomComponent {
	c := sbomComponent{Type: kind, Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version}
	c.Ref = c.PURL
	if m.Sum != "" {
		c.Properties = []sbomProperty{{"go:sum", m.Sum}}
	}
	return c
}
