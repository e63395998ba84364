// Command grafana writes the dashboards of this folder: one JSON document for each board of boards.go. `make docs` runs it, from the root of the repository:
//
//	go run ./deploy/grafana
//
// A board is a list of rows of panels; what Grafana wants to know beside (ids, places, units, thresholds) is filled in here, so that all boards
// look alike and a change of Grafana's format is made once. Tests hold the documents to what this command writes, and each query to the metrics
// of hxp.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", filepath.Join("deploy", "grafana"), "folder of the documents")
	flag.Parse()
	for _, b := range boards {
		text, err := b.document()
		if err == nil {
			err = os.WriteFile(filepath.Join(*out, b.file+".json"), text, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "grafana:", err)
			os.Exit(1)
		}
	}
}

// document is the board as Grafana imports it.
func (b board) document() ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // queries are read by people, who look for > and not for \u003e
	enc.SetIndent("", "  ")
	err := enc.Encode(b.layOut())
	return text.Bytes(), err
}
