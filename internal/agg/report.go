package agg

import "time"

// ReportStatus is where a report stands.
type ReportStatus string

// The states. Making a report again takes it from completed or failed back to queued; a restart takes it from running to queued.
const (
	ReportQueued    ReportStatus = "queued"
	ReportRunning   ReportStatus = "running"
	ReportCompleted ReportStatus = "completed"
	ReportFailed    ReportStatus = "failed"
)

// Final tells whether nothing follows on s by itself.
func (s ReportStatus) Final() bool { return s == ReportCompleted || s == ReportFailed }

// Report is what is known of one document. Its id says what it is about, so that making it again finds it and adds no second.
//
// Like Run it stands at the bottom because the batch makes it and the store keeps it.
type Report struct {
	ID     string
	Type   string // "daily_summary" …
	Format string // "json", "csv", "pdf"
	Status ReportStatus
	Start  time.Time // period [Start, End), UTC
	End    time.Time

	CreatedAt   time.Time  // set by the store when zero; kept when the report is made again
	CompletedAt *time.Time // when the bytes last changed; nil = there are none yet
	Bytes       int64
	SHA256      string // of the bytes, hexadecimal; "" = there are none yet
	File        string // below the folder of reports, with slashes
	Machine     string // the one that wrote the file; "" = not known
	// Completeness is the share of the period that its numbers cover, 0–1; nil = not known.
	Completeness *float64
	Error        string // why it failed
}
