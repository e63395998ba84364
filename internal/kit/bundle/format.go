package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Format is the version of the layout that this program writes. It reads this one and all before it.
const Format = 1

// The members that a bundle has beside what was put in.
const (
	headName  = "bundle.json" // the first one
	indexName = "index.json"  // the last one
)

// Limits of what Extract takes from a file that may come from anywhere.
const (
	maxHead    = 64 << 10
	maxIndex   = 512 << 20
	maxMembers = 5_000_000
	maxName    = 1024
)

// ErrDamaged is the error of a file that is cut off, changed, or no bundle at all.
var ErrDamaged = errors.New("damaged")

// ErrNewer is the error of a bundle that a later version of the program wrote.
var ErrNewer = errors.New("written by a newer version")

// Head says what a bundle is. It can be read without the rest.
type Head struct {
	Kind    string    `json:"kind"`    // what the bundle is for; Extract refuses another one
	Format  int       `json:"format"`  // version of the layout
	Program string    `json:"program"` // version of the program that wrote it
	Created time.Time `json:"created"`
}

// check refuses what this program cannot read.
func (h *Head) check(kind string) error {
	switch {
	case h.Kind != kind:
		return fmt.Errorf("%w: it says that it is %q, not %q", ErrDamaged, h.Kind, kind)
	case h.Format > Format:
		return fmt.Errorf("%w (%s, format %d; this one reads up to %d)", ErrNewer, h.Program, h.Format, Format)
	case h.Format < 1:
		return fmt.Errorf("%w: format %d", ErrDamaged, h.Format)
	}
	return nil
}

// Member is one file of a bundle.
type Member struct {
	Name   string      `json:"name"` // with slashes, relative
	Size   int64       `json:"size"`
	Mode   fs.FileMode `json:"mode"` // permissions
	SHA256 string      `json:"sha256"`
}

// Index is what a bundle says of itself at its end.
type Index struct {
	Head
	Note    map[string]string `json:"note,omitempty"` // for people
	Members []Member          `json:"members"`
}

// Bytes are those of all members.
func (x *Index) Bytes() (n int64) {
	for i := range x.Members {
		n += x.Members[i].Size
	}
	return n
}

// goodName tells whether a name is a plain path below where it is put.
func goodName(name string) bool {
	return len(name) <= maxName && fs.ValidPath(name) && name != "." && name != headName && name != indexName
}
