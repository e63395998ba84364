package agg

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// HourPlan says how an hour is folded in parts: from which files, and which rows each part takes. Whoever takes part follows it, so that
// files which come meanwhile change nothing.
type HourPlan struct {
	ID      string // drawn by chance
	Hour    int64  // seconds since the epoch
	Version int64  // of the hour, which the files make up
	Files   []event.LakeFile
	Cuts    []int64       // part k takes the rows from Cuts[k] to before Cuts[k+1], in the order of places
	Run     string        // that it was made for
	Raised  int64         // Run.Raised then
	Choice  []byte        // values that are kept apart, once it is known that there are too many; nil = not so far
	Age     time.Duration // by the clock of the database
}

// Parts is the number of parts.
func (p *HourPlan) Parts() int { return len(p.Cuts) - 1 }

// PartTask names part k (from 0) of n of a task.
func PartTask(task string, k, n int) string { return fmt.Sprintf("%s.part_%02d_of_%02d", task, k, n) }

var partTask = regexp.MustCompile(`^(.+)\.part_([0-9]{2})_of_([0-9]{2})$`)

// PartOf takes the name of a part apart; not ok when it is none.
func PartOf(name string) (task string, k, n int, ok bool) {
	m := partTask.FindStringSubmatch(name)
	if m == nil {
		return name, 0, 1, false
	}
	k, _ = strconv.Atoi(m[2])
	n, _ = strconv.Atoi(m[3])
	return m[1], k, n, k < n
}
