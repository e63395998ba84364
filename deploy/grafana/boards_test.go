package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestDocuments: the documents are what the definitions give, and there are no others. `make docs` writes them.
func TestDocuments(t *testing.T) {
	want := map[string]bool{}
	for _, b := range boards {
		want[b.file+".json"] = true
		text, err := b.document()
		if err != nil {
			t.Fatal(err)
		}
		if have, err := os.ReadFile(b.file + ".json"); err != nil || !bytes.Equal(have, text) {
			t.Errorf("%s.json is not what its definition gives; run `make docs` (%v)", b.file, err)
		}
	}
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !want[f] {
			t.Errorf("%s has no definition", f)
		}
	}
}

// TestLayout: no panel lies on another or beyond the edge, and ids are told apart.
func TestLayout(t *testing.T) {
	for _, b := range boards {
		taken, ids := map[[2]int]string{}, map[int]bool{}
		for _, p := range b.layOut().Panels {
			if ids[p.ID] {
				t.Errorf("%s: id %d twice", b.title, p.ID)
			}
			ids[p.ID] = true
			if g := p.GridPos; g.X < 0 || g.X+g.W > across || g.W == 0 || g.H == 0 {
				t.Errorf("%s: %s is at %+v", b.title, p.Title, g)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" {
						t.Fatalf("%s: %s lies on %s", b.title, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}
