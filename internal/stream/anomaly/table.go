package anomaly

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxLine is the longest line of a table in bytes.
const maxLine = 64 << 10

// Score reads a table with the columns timestamp and value and writes it with a third one, anomaly_score, row by row. name
// stands in the error for a bad row, which is "NAME:LINE: reason". What stands before the bad row is written.
func Score(name string, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	w := bufio.NewWriter(out)
	err := score(lines, w)
	if err == nil {
		err = lines.Err()
	}
	if flush := w.Flush(); flush != nil && err == nil {
		return flush
	}
	if bad, ok := err.(*badRow); ok {
		return fmt.Errorf("%s:%d: %s", name, bad.line, bad.reason)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

type badRow struct {
	line   int
	reason string
}

func (b *badRow) Error() string { return b.reason }

func score(lines *bufio.Scanner, w *bufio.Writer) error {
	if !lines.Scan() {
		return &badRow{1, "the table is empty; its first line is timestamp,value"}
	}
	if head := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff")); head != "timestamp,value" {
		return &badRow{1, fmt.Sprintf("the header is %.80q, not timestamp,value", head)}
	}
	if _, err := w.WriteString("timestamp,value,anomaly_score\n"); err != nil {
		return err
	}
	var d Detector
	var line []byte
	for n := 2; lines.Scan(); n++ {
		row := bytes.TrimSpace(lines.Bytes())
		if len(row) == 0 {
			continue
		}
		v, reason := parseRow(row)
		if reason != "" {
			return &badRow{n, reason}
		}
		line = strconv.AppendFloat(append(append(line[:0], row...), ','), d.Step(v), 'f', 6, 64) // row is the scanner's
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func parseRow(row []byte) (v float64, reason string) {
	stamp, value, ok := strings.Cut(string(row), ",")
	switch {
	case !ok || strings.Contains(value, ","):
		return 0, "a row has two cells, timestamp and value"
	case !isTime(stamp):
		return 0, fmt.Sprintf("timestamp %.40q is neither 2006-01-02 15:04:05, nor RFC 3339, nor seconds since 1970", stamp)
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Sprintf("value %.40q is not a finite number", value)
	}
	return v, ""
}

func isTime(s string) bool {
	for _, layout := range []string{time.DateTime, time.RFC3339, time.DateOnly, "2006-01-02T15:04:05"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}
