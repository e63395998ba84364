package ingest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Topic is a topic as GET /topics and hxp topics show it.
type Topic struct {
	Name              string   `json:"name"`
	Partitions        int      `json:"partitions"`
	ReplicationFactor int      `json:"replication_factor"`
	RetentionMS       *int64   `json:"retention_ms"`    // null = for ever
	RetentionBytes    *int64   `json:"retention_bytes"` // null = without limit
	Messages          int64    `json:"messages"`
	Bytes             *int64   `json:"bytes"` // null = the brokers do not tell
	EventsPerSecond   *float64 `json:"events_per_second"`
	Internal          bool     `json:"internal"`
}

// TopicOf shows a topic without its rate, which takes two looks.
func TopicOf(t bus.TopicInfo) Topic {
	return Topic{Name: t.Name, Partitions: t.Partitions, ReplicationFactor: t.Replication, Messages: t.Messages, Internal: t.Internal,
		RetentionMS: orNil(t.RetentionMS), RetentionBytes: orNil(t.RetentionBytes), Bytes: orNil(t.Bytes)}
}

func (a *API) topicOf(t bus.TopicInfo) Topic {
	out := TopicOf(t)
	if r, ok := a.rates.of(t.Name); ok {
		out.EventsPerSecond = &r
	}
	return out
}

// orNil is nil for the negative numbers that stand for "without" and "unknown".
func orNil(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func (a *API) getTopics(w http.ResponseWriter, r *http.Request) {
	p, ok := paging(w, r)
	if !ok {
		return
	}
	infos, err := a.describe(r)
	if err != nil {
		a.unavailable(w, r, err)
		return
	}
	slices.SortFunc(infos, func(a, b bus.TopicInfo) int { return strings.Compare(a.Name, b.Name) })
	out := struct {
		Topics []Topic `json:"topics"`
		Next   *string `json:"next_cursor"`
	}{Topics: []Topic{}}
	for _, t := range infos {
		if t.Name <= p.after {
			continue
		}
		if len(out.Topics) == p.limit {
			out.Next = cursor(out.Topics[p.limit-1].Name)
			break
		}
		out.Topics = append(out.Topics, a.topicOf(t))
	}
	httpx.JSON(w, http.StatusOK, out)
}

func (a *API) getTopic(w http.ResponseWriter, r *http.Request) {
	infos, err := a.describe(r, r.PathValue("name"))
	switch {
	case errors.Is(err, bus.ErrUnknownTopic), err == nil && len(infos) == 0:
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no topic %q", r.PathValue("name")))
	case err != nil:
		a.unavailable(w, r, err)
	default:
		httpx.JSON(w, http.StatusOK, a.topicOf(infos[0]))
	}
}

func (a *API) describe(r *http.Request, names ...string) ([]bus.TopicInfo, error) {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Timeout)
	defer cancel()
	return a.bus.Describe(ctx, names...)
}

// unavailable answers when the brokers could not be asked.
func (a *API) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to hear it
	}
	a.log.Warn("the brokers could not be asked", "path", r.URL.Path, "error", err)
	w.Header().Set("Retry-After", "1")
	httpx.Problem(w, r, http.StatusServiceUnavailable, "the brokers cannot be asked now")
}

// page is what a list was asked for.
type page struct {
	limit int
	after string // decoded cursor
}

const maxPage = 1000

// paging reads limit and cursor; it answers 400 itself when they are wrong.
func paging(w http.ResponseWriter, r *http.Request) (page, bool) {
	p := page{limit: 100}
	q := r.URL.Query()
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxPage {
			httpx.Problem(w, r, http.StatusBadRequest, fmt.Sprintf("limit %q is not a number from 1 to %d", clip(s), maxPage))
			return p, false
		}
		p.limit = n
	}
	if s := q.Get("cursor"); s != "" {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || len(b) == 0 {
			httpx.Problem(w, r, http.StatusBadRequest, fmt.Sprintf("cursor %q was not given by this list", clip(s)))
			return p, false
		}
		p.after = string(b)
	}
	return p, true
}

func cursor(after string) *string {
	s := base64.RawURLEncoding.EncodeToString([]byte(after))
	return &s
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// rateEvery is the time between two looks at the ends of the topics.
const rateEvery = 5 * time.Second

// rates are the events per second of each topic between the last two looks.
type rates struct {
	mu   sync.Mutex
	at   time.Time
	ends map[string]int64
	rate map[string]float64
}

func (r *rates) of(topic string) (float64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.rate[topic]
	return v, ok
}

// look takes note of the ends (topic → sum over its partitions) at a time.
func (r *rates) look(at time.Time, ends map[string]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rate := make(map[string]float64, len(ends))
	seconds := at.Sub(r.at).Seconds()
	for t, end := range ends {
		if before, ok := r.ends[t]; ok && seconds > 0 && end >= before {
			rate[t] = math.Round(float64(end-before)/seconds*1000) / 1000
		}
	}
	r.at, r.ends, r.rate = at, ends, rate
}

func (a *API) sampleRates(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rateEvery)
	defer cancel()
	names := make([]string, len(event.Topics))
	for i, t := range event.Topics {
		names[i] = t.Name
	}
	bounds, err := a.bus.Offsets(ctx, names...)
	if err != nil {
		if ctx.Err() == nil {
			a.log.Debug("ends of the topics not known", "error", err)
		}
		return
	}
	ends := make(map[string]int64, len(bounds))
	for t, parts := range bounds {
		for _, p := range parts {
			ends[t] += p.End
		}
	}
	a.rates.look(a.now(), ends)
}
