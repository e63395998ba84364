package main

import (
	"encoding/json"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// What is not known is no number.
func TestErasureShowsWhatIsNotKnown(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	var r app.Erasure
	if err := json.Unmarshal([]byte(`{"topics":[{"topic":"long","found":null}],"left":[{"where":"windows","count":-1,"ends":"age"},{"where":"lake","count":14,"ends":"again"}]}`), &r); err != nil {
		t.Fatal(err)
	}
	showErasure(w, &r)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"long   0                ?", "windows  ?      age", "lake     14     again"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, text.String())
		}
	}
}

// A dry run has erased nothing, and its row in the list says so.
func TestErasuresListTellsDryRuns(t *testing.T) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	listErasures(w, []app.Erasure{{ID: "a", State: "done", DryRun: true}, {ID: "b", State: "done"}})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if rows := strings.Split(text.String(), "\n"); !strings.Contains(rows[1], "done (dry run)") || strings.Contains(rows[2], "dry run") {
		t.Errorf("the list says\n%s", text.String())
	}
}
