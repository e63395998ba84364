package batch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenRows reads testdata/hour.ndjson: an hour made by hand.
func goldenRows(t *testing.T) map[event.TopicPartition][]event.LakeRow {
	t.Helper()
	f, err := os.Open("testdata/hour.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[event.TopicPartition][]event.LakeRow{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct {
			Topic     string
			Partition int32
			Offset    int64
			After     int64 `json:"ingested_after_ms"`
			Event     json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		row := event.LakeRow{TopicID: "t", Topic: line.Topic, Partition: line.Partition, Offset: line.Offset}
		if bad := new(event.Parser).Parse(line.Event, &row.Event); bad != nil {
			t.Fatal(bad)
		}
		row.IngestedAt = row.Event.Time + line.After*1000
		tp := event.TopicPartition{TopicID: row.TopicID, Topic: row.Topic, Partition: row.Partition}
		out[tp] = append(out[tp], row)
	}
	return out
}

func TestGoldenHour(t *testing.T) {
	lake := memLake{}
	var files []event.LakeFile
	for tp, rows := range goldenRows(t) {
		files = append(files, lake.put(tp.Topic+string(rune('0'+tp.Partition)), rows...))
	}
	a := mustFold(t, testFolder(lake), files).cells.aggregate(levels["hourly"].of(hour0), nil)
	rows := a.Rows[agg.ByModel]
	got, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("testdata/hour.golden.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/hour.golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the golden hour became\n%s", got)
	}
	for _, r := range rows { // the blob of a row makes the same row
		var c agg.Cell
		if rest, err := c.Decode(a.Cells[agg.Group{Dimension: agg.ByModel, Value: r.Model}]); err != nil || len(rest) != 0 {
			t.Fatalf("cell of %s: %v, %d bytes left", r.Model, err, len(rest))
		}
		again, _ := json.Marshal(columns(nil).row(r.Timestamp, agg.Group{Dimension: agg.ByModel, Value: r.Model}, time.Hour, &c))
		if row, _ := json.Marshal(r); !bytes.Equal(row, again) {
			t.Errorf("row from the blob\n%s\nrow\n%s", again, row)
		}
	}
}
