package event

import "time"

// The words that the lake, the store and the batch share when they speak of what retention lets go.

// Classes of what retention looks after.
const (
	ClassRaw        = "raw"        // files of the lake
	ClassAggregated = "aggregated" // hourly rows and cells
	ClassReports    = "reports"    // documents
)

// Classes in the order in which they are dealt with: a report is not made of raw events, nor an aggregate of reports.
var Classes = []string{ClassRaw, ClassAggregated, ClassReports}

// StoredFile is a live file of the lake and when it became part of it, in microseconds since the epoch.
type StoredFile struct {
	LakeFile
	PublishedAt int64
}

// Holdings is how much of a class there is.
type Holdings struct {
	Objects int64 // files, or days of hourly aggregates
	Rows    int64
	Bytes   int64
	Newest  int64 // raw: the newest event time, microseconds since the epoch; 0 = none
}

// Hold keeps everything of a class whose period touches [From, To).
type Hold struct {
	Name      string    `json:"name"`
	Class     string    `json:"class"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
}

// Touches tells whether the hold keeps something of a class and period.
func (h *Hold) Touches(class string, from, to time.Time) bool {
	return h.Class == class && from.Before(h.To) && h.From.Before(to)
}

// Retirement is raw files of an hour that leave together.
type Retirement struct {
	Hour   int64             // seconds since the epoch
	Plan   string            // that lets them go
	Copies map[string]string // path in the lake → path in the archive, "" = no copy
}

// Retired is what retention has let go: a file of the lake, a day of hourly aggregates, a report.
type Retired struct {
	Class    string
	Plan     string
	Path     string // of a file its path in the lake, of a report its file, of a day "hourly/2026-03-01"
	Start    int64  // of its period, seconds since the epoch
	End      int64
	Copy     string // path in the archive, "" = there is none
	Rows     int64
	Bytes    int64
	SHA256   string
	At       int64  // when, microseconds since the epoch
	State    string // raw: that of the file in the manifest, LakeMarked or LakeArchived; "" = it is gone without a copy
	Document string // of a report what is known of it, as JSON
}

// RetentionPlan is a plan at rest.
type RetentionPlan struct {
	ID        string
	Kind      string // cleanup, restore
	State     string // planned, running, done, failed
	CreatedAt time.Time
	Document  []byte // JSON
}

// ArchiveEntry is a line of the manifest of an archive.
type ArchiveEntry struct {
	Path   string `json:"path"` // below the archive, with slashes
	Class  string `json:"class"`
	Period string `json:"period"` // start of it
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Rows   int64  `json:"rows"`
	PlanID string `json:"plan_id"`
	Prev   string `json:"prev"` // sha256 of the line before, without its end; "" in the first line
}

// ArchiveFault is what is wrong with a file of an archive.
type ArchiveFault struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}
