package lake

import (
	"bytes"
	"encoding/csv"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Whatever lies in an hour, compacted or not, each format exports each event once, and what it exports is what came.
func TestExport(t *testing.T) {
	encoders := make(map[event.Kind]*encoder)
	rapid.Check(t, func(rt *rapid.T) {
		l, m := openTest(t), newMemory()
		skipDisk(l)
		publishAll(rt, l, m, encoders, drawRecords(rt))
		want := make(map[[2]uint64]string)
		for id, r := range contentOf(live(rt, l, m)).winners {
			want[id] = string(event.AppendJSON(nil, r.event))
		}
		if rapid.Bool().Draw(rt, "compacted") {
			if _, err := l.compactHour(t.Context(), m, testHour, testCompacting); err != nil {
				rt.Fatal(err)
			}
		}
		var out bytes.Buffer
		sum, err := l.Export(t.Context(), m, ExportOptions{Format: FormatNDJSON, Out: &out, Budget: 1 << 20})
		if err != nil || sum.Rows != int64(len(want)) || sum.Hours != 1 {
			rt.Fatal(sum, err)
		}
		got := make(map[[2]uint64]string)
		var p event.Parser
		var e event.Event
		for line := range strings.Lines(out.String()) {
			if v := p.Parse([]byte(line), &e); v != nil {
				rt.Fatalf("%s: %v", line, v)
			}
			if _, twice := got[e.Identity()]; twice {
				rt.Fatalf("twice: %s", line)
			}
			got[e.Identity()] = strings.TrimSpace(line)
		}
		if !maps.Equal(got, want) {
			rt.Fatalf("%v\nwant %v", got, want)
		}

		dir := filepath.Join(t.TempDir(), "export")
		if sum, err = l.Export(t.Context(), m, ExportOptions{Format: FormatParquet, Dir: dir, Budget: 1 << 20}); err != nil || sum.Rows != int64(len(want)) {
			rt.Fatal(sum, err)
		}
		if n := rowsBelow(rt, dir); n != sum.Rows {
			rt.Fatalf("%d rows in Parquet, %+v", n, sum)
		}
		if _, err = l.Export(t.Context(), m, ExportOptions{Format: FormatParquet, Dir: dir, Budget: 1 << 20}); err == nil {
			rt.Fatal("a folder with files is exported to")
		}
	})
}

// rowsBelow counts the rows of all Parquet files in a folder and checks that nothing else is there.
func rowsBelow(t interface{ Fatal(...any) }, dir string) (rows int64) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		o, err := openLocal(path)
		if err != nil {
			return err
		}
		defer o.Close()
		pf, err := readFooter(o)
		if err != nil {
			return err
		}
		rows += pf.NumRows()
		return nil
	})
	if _, statErr := os.Stat(filepath.Join(dir, tmp)); err != nil || statErr == nil {
		t.Fatal("the staging folder stays, or: ", err)
	}
	return rows
}

// CSV has the columns of the files; what to export can be chosen by topic and hour.
func TestExportChoosesAndTells(t *testing.T) {
	l, m, _, hours := published(t, 100)
	var out bytes.Buffer
	o := ExportOptions{Topic: "llm-requests", From: time.Unix(hours[0], 0), To: time.Unix(hours[0]+3600, 0), Format: FormatCSV, Out: &out, Budget: 1 << 20}
	sum, err := l.Export(t.Context(), m, o)
	if err != nil || sum.Hours != 1 {
		t.Fatal(sum, err)
	}
	table, err := csv.NewReader(&out).ReadAll()
	if err != nil || int64(len(table)) != sum.Rows+1 || !slices.Equal(table[0], tableOf(event.LLMRequest).names()) {
		t.Fatal(len(table), sum, err)
	}
	at := func(row []string, name string) string { return row[slices.Index(table[0], name)] }
	for _, row := range table[1:] {
		when, err := time.Parse(time.RFC3339Nano, at(row, "timestamp"))
		if err != nil || hourOf(when.UnixMicro()) != hours[0] || at(row, "topic") != "llm-requests" || at(row, "partition") != "2" || at(row, "event_type") != "llm_request" || at(row, "duration_ms") != "" {
			t.Fatal(row, err)
		}
	}
	o = ExportOptions{Format: FormatCSV, Dir: t.TempDir(), Budget: 1 << 20}
	for range 2 { // the second time the same files again
		if sum, err = l.Export(t.Context(), m, o); err != nil || sum.Rows != 90 || sum.Hours != len(hours) {
			t.Fatal(sum, err)
		}
	}
	if _, err := os.Stat(filepath.Join(o.Dir, hourDir(event.UserFeedback, hours[0]), "events.csv")); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []ExportOptions{{Format: "xml"}, {Format: FormatParquet}, {Format: FormatCSV, Out: &out}, {Format: FormatCSV, Topic: "nobody", Out: &out}} {
		if _, err := l.Export(t.Context(), m, bad); err == nil {
			t.Errorf("%+v is exported", bad)
		}
	}
}

// The queries name exactly the live files, and columns that there are; copies are left out while an hour is not compacted.
func TestQueries(t *testing.T) {
	l, m, _, _ := published(t, 40)
	for _, k := range event.Kinds {
		q := query{kind: k}
		dimension, sums := q.measures()
		for _, name := range append(sums, dimension) {
			if !slices.Contains(tableOf(k).names(), name) {
				t.Errorf("%s has no column %s", k, name)
			}
		}
	}
	copies := map[string]string{"duckdb": "QUALIFY", "pandas": "drop_duplicates", "spark": "dropDuplicates", "trino": "copy = 1"}
	for _, compacted := range []bool{false, true} {
		queries, err := l.Queries(t.Context(), m, QueryOptions{Topic: "llm-requests"})
		if err != nil || len(queries) != len(Engines) {
			t.Fatal(queries, err)
		}
		for _, q := range queries {
			for _, f := range m.files {
				want := f.State == event.LakeLive && kindOf(&f) == event.LLMRequest
				if got := strings.Contains(q.Text, filepath.Base(f.Path)); got != want {
					t.Errorf("%s: %s is named: %t\n%s", q.Engine, f.Path, got, q.Text)
				}
			}
			if got := strings.Contains(q.Text, copies[q.Engine]); got == compacted {
				t.Errorf("%s, compacted %t:\n%s", q.Engine, compacted, q.Text)
			}
		}
		if _, err := l.Compact(t.Context(), m, CompactOptions{Budget: 1 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []QueryOptions{{Topic: "nobody"}, {Topic: "llm-requests", Engine: "oracle"}, {Topic: "llm-requests", From: time.Now().Add(time.Hour)}} {
		if got, err := l.Queries(t.Context(), m, bad); err == nil {
			t.Errorf("%+v: %v", bad, got)
		}
	}
}
