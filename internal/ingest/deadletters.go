package ingest

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// deadLetter is a dead letter as GET /dead-letters shows it.
type deadLetter struct {
	ID            string       `json:"id"`
	Topic         *string      `json:"topic"`     // where it was read or would have gone; null = not known
	Partition     *int64       `json:"partition"` // null = it was refused at the way in
	Offset        *int64       `json:"offset"`
	Headers       []headerItem `json:"headers"`
	PayloadBase64 string       `json:"payload_base64"`
	PayloadText   *string      `json:"payload_text"` // null = not UTF-8
	PayloadBytes  int64        `json:"payload_bytes"`
	PayloadSHA256 *string      `json:"payload_sha256"` // set when only the beginning is kept
	ReasonCode    string       `json:"reason_code"`
	Pointer       string       `json:"pointer"`
	Reason        string       `json:"reason"`
	ReceivedAt    string       `json:"received_at"`
	State         string       `json:"state"`
	RedriveCount  int          `json:"redrive_count"`
}

type headerItem struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func deadLetterOf(d *event.DeadLetter) deadLetter {
	out := deadLetter{
		ID: d.ID, Partition: orNil(int64(d.Partition)), Offset: orNil(d.Offset), Headers: []headerItem{},
		PayloadBase64: base64.StdEncoding.EncodeToString(d.Payload), PayloadBytes: d.PayloadSize,
		ReasonCode: d.Code, Pointer: d.Pointer, Reason: d.Reason, ReceivedAt: event.FormatTime(d.ReceivedAt), State: "open",
	}
	if d.Topic != "" {
		out.Topic = &d.Topic
	}
	if utf8.Valid(d.Payload) {
		out.PayloadText = new(string(d.Payload))
	}
	if d.SHA256 != "" {
		out.PayloadSHA256 = &d.SHA256
	}
	for _, h := range d.Headers {
		out.Headers = append(out.Headers, headerItem{h[0], strings.ToValidUTF8(h[1], "\uFFFD")})
	}
	return out
}

// pageBytes bounds the payloads of one page: each is shown twice and encoded, so a page of large ones would cost gigabytes.
const pageBytes = 4 << 20

// wanted are the filters of the query.
type wanted struct {
	topic, reason string
	since         int64 // microseconds
}

func (q *wanted) has(d *event.DeadLetter) bool {
	return (q.topic == "" || d.Topic == q.topic) && (q.reason == "" || d.Code == q.reason) && d.ReceivedAt >= q.since
}

func (a *API) getDeadLetters(w http.ResponseWriter, r *http.Request) {
	p, ok := paging(w, r)
	if !ok {
		return
	}
	q := wanted{topic: r.URL.Query().Get("topic"), reason: r.URL.Query().Get("reason")}
	if s := r.URL.Query().Get("since"); s != "" {
		t, err := event.ParseTime(s)
		if err != nil {
			httpx.Problem(w, r, http.StatusBadRequest, "since: "+err.Error())
			return
		}
		q.since = t
	}
	from, err := parsePosition(p.after)
	if err != nil {
		httpx.Problem(w, r, http.StatusBadRequest, "cursor was not given by this list")
		return
	}
	out := struct {
		DeadLetters []deadLetter `json:"dead_letters"`
		Next        *string      `json:"next_cursor"`
	}{DeadLetters: []deadLetter{}}
	var last position
	held, seen := 0, map[string]bool{}
	err = a.scanDeadLetters(r.Context(), from, func(at position, d *event.DeadLetter) bool {
		if !q.has(d) || seen[d.ID] {
			return true
		}
		if held += len(d.Payload); len(out.DeadLetters) == p.limit || held > pageBytes && len(out.DeadLetters) > 0 {
			out.Next = cursor(last.next().String())
			return false
		}
		seen[d.ID], last = true, at
		out.DeadLetters = append(out.DeadLetters, deadLetterOf(d))
		return true
	})
	if err != nil {
		a.unavailable(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, out)
}

func (a *API) getDeadLetter(w http.ResponseWriter, r *http.Request) {
	var found *deadLetter
	err := a.scanDeadLetters(r.Context(), position{}, func(_ position, d *event.DeadLetter) bool {
		if d.ID == r.PathValue("id") {
			found = new(deadLetterOf(d))
		}
		return found == nil
	})
	switch {
	case err != nil:
		a.unavailable(w, r, err)
	case found == nil:
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no dead letter %q", clip(r.PathValue("id"))))
	default:
		httpx.JSON(w, http.StatusOK, found)
	}
}

func (a *API) getDeadLetterSummary(w http.ResponseWriter, r *http.Request) {
	counts := map[string]int{}
	seen := map[string]bool{}
	err := a.scanDeadLetters(r.Context(), position{}, func(_ position, d *event.DeadLetter) bool {
		if !seen[d.ID] {
			seen[d.ID] = true
			counts[d.Code]++
		}
		return true
	})
	if err != nil {
		a.unavailable(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, map[string]any{"counts": counts})
}

// position is a place in the topic of the dead letters; scans go through the partitions one after another.
type position struct {
	partition int32
	offset    int64
}

func (p position) next() position { return position{p.partition, p.offset + 1} }

func (p position) String() string {
	return strconv.Itoa(int(p.partition)) + "." + strconv.FormatInt(p.offset, 10)
}

func parsePosition(s string) (position, error) {
	if s == "" {
		return position{}, nil
	}
	partition, offset, _ := strings.Cut(s, ".")
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return position{}, fmt.Errorf("partition %q", partition)
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return position{}, fmt.Errorf("offset %q", offset)
	}
	return position{int32(p), o}, nil
}

// scanDeadLetters calls see for each dead letter from the position on, until it returns false or the end is reached. The
// letter's memory may be kept.
func (a *API) scanDeadLetters(ctx context.Context, from position, see func(position, *event.DeadLetter) bool) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	bounds, err := a.bus.Offsets(ctx, event.TopicDeadLetters)
	if err != nil {
		return err
	}
	parts := bounds[event.TopicDeadLetters]
	for p := range int32(len(parts)) {
		r, ok := parts[p]
		if !ok || p < from.partition {
			continue
		}
		if p == from.partition {
			r.Start = max(r.Start, from.offset)
		}
		if r.Start >= r.End {
			continue
		}
		if more, err := a.scanPartition(ctx, p, r, see); err != nil || !more {
			return err
		}
	}
	return nil
}

func (a *API) scanPartition(ctx context.Context, p int32, r bus.Range, see func(position, *event.DeadLetter) bool) (more bool, err error) {
	reader, err := a.bus.NewReader(map[string]map[int32]int64{event.TopicDeadLetters: {p: r.Start}}, bus.ReaderOptions{})
	if err != nil {
		return false, err
	}
	defer reader.Close()
	for at := r.Start; at < r.End; {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return false, err
		}
		for _, batch := range fetch {
			if batch.Err != nil {
				return false, batch.Err
			}
			at = batch.Next
			for _, m := range batch.Messages {
				if m.Offset >= r.End {
					return true, nil
				}
				if d, err := readDeadLetter(m); err != nil {
					a.log.Warn("a record of the dead letters is none", "partition", p, "offset", m.Offset, "error", err)
				} else if !see(position{p, m.Offset}, d) {
					return false, nil
				}
			}
		}
	}
	return true, nil
}

func readDeadLetter(m *bus.Message) (*event.DeadLetter, error) {
	return event.ParseDeadLetter(m.Key, m.Value, bus.EventHeaders(m))
}
