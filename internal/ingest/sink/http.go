package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	batchItems = 2000
	batchBytes = 4 << 20
	batchTime  = 200 * time.Millisecond // after which the next item sends what waits, so that slow traffic is seen soon
	maxTries   = 10
	maxWait    = 30 * time.Second // between two tries, whatever Retry-After says
)

// HTTP sends items to the kafka-api in NDJSON batches. It is not for concurrent use.
type HTTP struct {
	url    string
	client *http.Client
	gzip   bool
	// Header goes with each request.
	Header http.Header

	batch []Item
	first time.Time // when the batch began
	bytes int
	to    Report
	body  bytes.Buffer
}

// NewHTTP returns a sink for the kafka-api at base ("http://127.0.0.1:9099"). With compress, bodies are sent gzipped.
func NewHTTP(base string, client *http.Client, compress bool) *HTTP {
	if client == nil {
		client = &http.Client{Timeout: 2 * time.Minute}
	}
	return &HTTP{url: strings.TrimRight(base, "/") + "/events?results=all", client: client, gzip: compress}
}

// Send implements Sink. Items wait until a batch is full or Flush is called.
func (h *HTTP) Send(ctx context.Context, it Item, r Report) error {
	if len(h.batch) > 0 && (h.to != r || h.bytes+len(it.Value) > batchBytes || time.Since(h.first) > batchTime) {
		if err := h.Flush(ctx); err != nil {
			return err
		}
	}
	if len(h.batch) == 0 {
		h.first = time.Now()
	}
	h.to, h.batch, h.bytes = r, append(h.batch, it), h.bytes+len(it.Value)+1
	if len(h.batch) >= batchItems {
		return h.Flush(ctx)
	}
	return nil
}

// Flush implements Sink. A batch that got no answer is sent again; ids make that safe.
func (h *HTTP) Flush(ctx context.Context) error {
	if len(h.batch) == 0 {
		return nil
	}
	if err := h.encode(); err != nil {
		return err
	}
	var last error
	for try := range maxTries {
		answer, wait, err := h.post(ctx)
		if err == nil {
			err = h.report(answer)
			h.batch, h.bytes = h.batch[:0], 0
			return err
		}
		if last = err; wait < 0 {
			break
		}
		if wait == 0 {
			wait = min(100*time.Millisecond<<try, maxWait)
		}
		select {
		case <-time.After(min(wait, maxWait)):
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), last)
		}
	}
	return fmt.Errorf("POST %s: %w", h.url, last)
}

// answer is what the sink reads of the reply of POST /events.
type answer struct {
	Accepted   int `json:"accepted"`
	Rejected   int `json:"rejected"`
	Duplicates int `json:"duplicates"`
	Errors     []struct {
		Index   int    `json:"index"`
		Code    string `json:"code"`
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
	Results []struct {
		Index int `json:"index"`
	} `json:"results"`
}

func (h *HTTP) encode() error {
	h.body.Reset()
	var w io.Writer = &h.body
	var zip *gzip.Writer
	if h.gzip {
		zip, _ = gzip.NewWriterLevel(&h.body, gzip.BestSpeed)
		w = zip
	}
	for _, it := range h.batch {
		if _, err := w.Write(append(it.Value, '\n')); err != nil {
			return err
		}
	}
	if zip != nil {
		return zip.Close()
	}
	return nil
}

// post sends the encoded batch once. wait < 0: trying again is of no use; 0: try again when convenient.
func (h *HTTP) post(ctx context.Context) (a answer, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(h.body.Bytes()))
	if err != nil {
		return a, -1, err
	}
	maps.Copy(req.Header, h.Header)
	req.Header.Set("Content-Type", "application/x-ndjson")
	if h.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := h.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return a, -1, context.Cause(ctx)
		}
		return a, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return a, 0, err
	}
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusMultiStatus, http.StatusUnprocessableEntity:
		if err := json.Unmarshal(body, &a); err != nil {
			return a, -1, fmt.Errorf("answer %d is not what POST /events says: %w", resp.StatusCode, err)
		}
		if a.Accepted+a.Duplicates+a.Rejected != len(h.batch) {
			return a, -1, fmt.Errorf("answer %d speaks of %d items, %d were sent", resp.StatusCode, a.Accepted+a.Duplicates+a.Rejected, len(h.batch))
		}
		return a, 0, nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return a, time.Duration(seconds) * time.Second, fmt.Errorf("answer %d: %s", resp.StatusCode, oneLine(string(body[:min(len(body), 300)])))
	}
	return a, -1, fmt.Errorf("answer %d: %s", resp.StatusCode, oneLine(string(body[:min(len(body), 300)])))
}

// report tells what became of each item of the batch. The results name every item that was taken, the errors only the first
// 100 that were not.
func (h *HTTP) report(a answer) error {
	taken := make([]bool, len(h.batch))
	for _, r := range a.Results {
		if r.Index < 0 || r.Index >= len(taken) {
			return fmt.Errorf("POST %s: the answer names item %d of %d", h.url, r.Index, len(taken))
		}
		taken[r.Index] = true
	}
	if len(a.Results) != a.Accepted+a.Duplicates {
		return fmt.Errorf("POST %s: the answer has %d results for %d items that were taken", h.url, len(a.Results), a.Accepted+a.Duplicates)
	}
	reasons := make(map[int]string, len(a.Errors))
	for _, e := range a.Errors {
		reasons[e.Index] = strings.TrimSpace(e.Code+" "+e.Pointer) + ": " + e.Detail
	}
	duplicates := a.Duplicates
	for i, it := range h.batch {
		switch {
		case !taken[i]:
			reason, named := reasons[i]
			if !named {
				reason = "refused by the way in, which names the reasons of the first 100 of a batch only"
			}
			h.to.Refused(it, reason)
		case duplicates > 0: // which ones does not matter, a report counts them
			duplicates--
			h.to.Duplicate(it)
		default:
			h.to.Sent(it)
		}
	}
	return nil
}
