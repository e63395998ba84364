package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// companions are the feedback and business events of some requests: half of them name no model and take that of their request.
func companions(rs []request) (out [][]byte) {
	for i, q := range rs {
		data := map[string]any{"request_id": q.id}
		kind := ""
		switch i % 6 {
		case 0:
			kind, data["satisfaction_score"] = "user_feedback", i%5+1
		case 1:
			kind, data["business_value_usd"], data["business_event_type"] = "business_event", float64(i)/1000, "order"
		default:
			continue
		}
		if i%4 < 2 {
			data["model"] = q.model
		}
		b, err := json.Marshal(map[string]any{"event_id": q.id + "-c", "event_type": kind, "timestamp": stamp(q.at), "source": "e2e", "data": data})
		if err != nil {
			panic(err) // strings and numbers always marshal
		}
		out = append(out, b)
	}
	return out
}

// TestRealSpark lets Apache Spark compute the rows of two hours over the lake: they are those of hxp.
func TestRealSpark(t *testing.T) {
	python := need(t, "HXP_REAL_SPARK", "Apache Spark")
	h := start(t, "127.0.0.1:0")
	first := time.Date(2025, 2, 3, 9, 0, 0, 0, time.UTC)
	for i := range 2 {
		hour := first.Add(time.Duration(i) * time.Hour)
		rs := generate(uint64(80+i), 3000, fmt.Sprintf("spark-%d", i), hour)
		h.send(t, rs)
		h.produceKeyed(t, "llm-requests", rs[:200]) // copies that only the aggregation tells apart
		if status, a := h.post(t, bytes.Join(companions(rs), []byte("\n")), nil); status != 202 {
			t.Fatalf("companions: %d %+v", status, a)
		}
		h.aggregate(t, hour)
	}
	files, errs, code := h.cli(t, "lake", "ls", "--json")
	if code != 0 {
		t.Fatalf("hxp lake ls: %d %s", code, errs)
	}
	dir := t.TempDir()
	list, out := filepath.Join(dir, "files.json"), filepath.Join(dir, "rows")
	if err := os.WriteFile(list, files, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "../../deploy/spark/hourly_aggregation.py", "--files", list, "--lake", filepath.Join(h.dir, "data", "lake"),
		"--from", stamp(first), "--to", stamp(first.Add(2*time.Hour)), "--output", out, "--format", "json")
	cmd.Env = append(os.Environ(), "PYSPARK_PYTHON="+python, "SPARK_LOCAL_IP=127.0.0.1", "SPARK_LOCAL_DIRS="+dir)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("Spark: %v\n%s", err, text[max(0, len(text)-6000):])
	}
	var mine struct{ Rows []map[string]any }
	h.get(t, "batch-processing-api", fmt.Sprintf("/aggregations/hourly?model=*&limit=1000&from=%s&to=%s", stamp(first), stamp(first.Add(2*time.Hour))), &mine)
	theirs := sparkRows(t, out)
	if len(theirs) != len(mine.Rows) || len(theirs) < 10 {
		t.Errorf("Spark has %d rows, hxp %d", len(theirs), len(mine.Rows))
	}
	for _, row := range mine.Rows {
		name := fmt.Sprint(row["timestamp"], " ", row["model"])
		other, ok := theirs[name]
		if !ok {
			t.Errorf("Spark has no row of %s", name)
			continue
		}
		for column, value := range row {
			if column == "updated_at" || column == "timestamp" || column == "model" {
				continue
			}
			if !agrees(column, value, other[column]) {
				t.Errorf("%s of %s: %v by hxp, %v by Spark", column, name, value, other[column])
			}
		}
	}
}

// sparkRows reads the rows that Spark wrote, by hour and model; Spark leaves out what is null.
func sparkRows(t *testing.T, dir string) map[string]map[string]any {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, "part-*"))
	if err != nil || len(parts) == 0 {
		t.Fatalf("Spark wrote nothing: %v", err)
	}
	rows := map[string]map[string]any{}
	for _, part := range parts {
		data, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		for in := bufio.NewScanner(bytes.NewReader(data)); in.Scan(); {
			var row map[string]any
			if err := json.Unmarshal(in.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, fmt.Sprint(row["timestamp"]))
			if err != nil {
				t.Fatal(err)
			}
			rows[fmt.Sprint(at.UTC().Format(time.RFC3339), " ", row["model"])] = row
		}
	}
	return rows
}

// agrees is exact but for percentiles (1 %), distinct users (5 %) and the last digits of means.
func agrees(column string, a, b any) bool {
	x, isNumber := a.(float64)
	y, bothNumbers := b.(float64)
	if !isNumber || !bothNumbers {
		return a == b
	}
	near := 1e-9
	switch {
	case strings.Contains(column, "_p50_") || strings.Contains(column, "_p95_") || strings.Contains(column, "_p99_"):
		near = 0.0101
	case column == "unique_users":
		near = 0.05
	}
	return math.Abs(x-y) <= near*math.Abs(y)
}
