package table

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxTime bounds integer times, so that differences fit an int64.
const maxTime = 1 << 60

// timedSeries reads the lines of the form t,value. The step is the least distance of two times; every distance must be a multiple of it.
func (r *Reader) timedSeries() (Series, error) {
	s := Series{ID: r.name}
	var times []int64 // integers, or microseconds since 1970
	var lines []int
	parse := integer
	for {
		text, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s, err
		}
		stamp, cell, ok := strings.Cut(text, ",")
		if !ok || strings.Contains(cell, ",") {
			return r.bad(r.line, "a line has two cells, t and value")
		}
		stamp, cell = strings.TrimSpace(stamp), strings.TrimSpace(cell)
		if len(times) == 0 && strings.Contains(stamp, "-") && !strings.HasPrefix(stamp, "-") {
			parse = moment
		}
		t, reason := parse(stamp)
		if reason != "" {
			return r.bad(r.line, "%s", reason)
		}
		v := math.NaN()
		if cell != "" {
			if v, reason = number(cell); reason != "" {
				return r.bad(r.line, "value %s", reason)
			}
		}
		if n := len(times); n > 0 && t <= times[n-1] {
			return r.bad(r.line, "time %.40q is not after that of line %d; times must increase", stamp, lines[n-1])
		}
		if len(times) == MaxValues {
			return r.bad(r.line, "more than %d values", MaxValues)
		}
		times, lines, s.Values = append(times, t), append(lines, r.line), append(s.Values, v)
	}
	return r.regular(s, times, lines)
}

// bad is a series that a line of it spoils.
func (r *Reader) bad(line int, format string, args ...any) (Series, error) {
	return Series{ID: r.name, Err: fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))}, nil
}

func integer(s string) (int64, string) {
	t, err := strconv.ParseInt(s, 10, 64)
	if err != nil || t > maxTime || t < -maxTime {
		return 0, fmt.Sprintf("time %.40q is no integer within ±2^60; the first line has one", s)
	}
	return t, ""
}

func moment(s string) (int64, string) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0, fmt.Sprintf("time %.40q is not as in 2026-01-31T15:00:00Z (RFC 3339); the first line has one", s)
	}
	return t.UnixMicro(), ""
}

// regular puts a gap where lines are missing.
func (r *Reader) regular(s Series, times []int64, lines []int) (Series, error) {
	if len(times) < 2 {
		return s, nil
	}
	step := int64(math.MaxInt64)
	for i := 1; i < len(times); i++ {
		step = min(step, times[i]-times[i-1])
	}
	if n := (times[len(times)-1]-times[0])/step + 1; n > MaxValues {
		return r.bad(lines[len(lines)-1], "from the first time to the last are %d steps of the least distance; at most %d", n, MaxValues)
	}
	whole := make([]float64, 0, (times[len(times)-1]-times[0])/step+1)
	for i, t := range times {
		if (t-times[0])%step != 0 {
			return r.bad(lines[i], "the times are not regular: this one lies between two steps of the least distance")
		}
		for int64(len(whole)) < (t-times[0])/step {
			whole = append(whole, math.NaN())
		}
		whole = append(whole, s.Values[i])
	}
	s.Values = whole
	return s, nil
}
