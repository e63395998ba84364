package target

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
)

// page reads what an address answers to GET, without any secret.
func (c *caller) page(ctx context.Context, url string, most int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	case err != nil:
		return nil, err
	case int64(len(text)) > most:
		return nil, fmt.Errorf("it answers with more than %d bytes", most)
	}
	return text, nil
}

// reading is the sum of the samples of a gauge on a page in Prometheus' text format; ok tells whether there are any. A sample that is
// no finite number is as good as none.
func reading(page []byte, name string) (sum float64, ok bool) {
	for line := range bytes.Lines(page) {
		rest, is := bytes.CutPrefix(line, []byte(name))
		if !is || len(rest) == 0 || rest[0] != '{' && rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		if end := bytes.LastIndexByte(rest, '}'); end >= 0 {
			rest = rest[end+1:]
		}
		fields := bytes.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		if v, err := strconv.ParseFloat(string(fields[0]), 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
			sum, ok = sum+v, true
		}
	}
	return sum, ok
}
