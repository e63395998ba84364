package lake

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Listed is a file as `hxp lake ls --json` shows it.
type Listed struct {
	Path   string `json:"path"`
	Topic  string `json:"topic"`
	DT     string `json:"dt"`   // day of event time, UTC
	Hour   int    `json:"hour"` // of that day
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	State  string `json:"state"`
}

// List returns the files of the manifest that f chooses, by hour, topic and path.
func List(ctx context.Context, m Manifest, f event.LakeFilter) ([]Listed, error) {
	files, err := m.Files(ctx, f)
	if err != nil {
		return nil, err
	}
	out := make([]Listed, len(files))
	for i := range files {
		f := &files[i]
		t := time.Unix(f.Hour, 0).UTC()
		out[i] = Listed{f.Path, f.Topic, t.Format(time.DateOnly), t.Hour(), f.Rows, f.Bytes, f.SHA256, f.State}
	}
	return out, nil
}

// Filter chooses files of the manifest by topic, state and hour: those that begin within [from, to). What is empty chooses all.
func Filter(topic, state string, from, to time.Time) event.LakeFilter {
	f := event.LakeFilter{Topic: topic, State: state}
	if !from.IsZero() {
		f.FromHour = from.Unix()
	}
	if !to.IsZero() {
		f.ToHour = to.Unix()
	}
	return f
}
