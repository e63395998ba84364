package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Mount adds the streams and what is told of them.
func (h *Hub) Mount(m *httpx.Mux) {
	h.MountStreams(m)
	m.HandleFunc("GET /streams/status", func(w http.ResponseWriter, _ *http.Request) { httpx.JSON(w, http.StatusOK, h.Status()) },
		httpx.Doc("Who is connected, to what, and what was held back."))
	m.HandleFunc("GET /streams/performance", func(w http.ResponseWriter, _ *http.Request) { httpx.JSON(w, http.StatusOK, h.Performance()) },
		httpx.Doc("How fast the streams are."))
}

// MountStreams adds the streams alone, for the origins of the dashboards.
func (h *Hub) MountStreams(m *httpx.Mux) {
	options := []httpx.Option{
		httpx.Stream(), httpx.Query("model", "only what names this model"), httpx.Query("interval_ms", "time between updates, rounded up to 250, 500, 1000, 2000, 5000, 15000 or 60000"),
		httpx.Query("since", "EPOCH.SEQ of the last message seen"), httpx.Header("Last-Event-ID", "as since, and before it"),
		httpx.Answer("200", "text/event-stream: hello, then a snapshot and merge patches (RFC 7396) of each topic"),
		httpx.Answer("400", "unknown topic or bad parameter"), httpx.Answer("503", "all streams are taken; Retry-After says when to come back"),
	}
	m.HandleFunc("GET /stream", h.Stream, append(options, httpx.Doc("Live states as server-sent events."), httpx.Query("topics", "names separated by commas; all of "+strings.Join(h.names(), ", ")+" when absent"))...)
	if slices.Contains(h.names(), metricsTopic) {
		m.HandleFunc("GET /stream/metrics", h.only(metricsTopic), append(options, httpx.Doc("The topic metrics alone."))...)
	}
}

const metricsTopic = "metrics"

// query is what a client asks for.
type query struct {
	topics   []*Topic
	filter   Filter
	interval time.Duration
	since    position
}

const maxModel = 512 // bytes of a model's name in a filter

// parse reads the query; its errors are for the client.
func (h *Hub) parse(r *http.Request, only string) (q query, err error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, fmt.Errorf("the query can't be read: %w", err)
	}
	if q.topics, err = h.named(v["topics"], only); err != nil {
		return q, err
	}
	if q.filter.Model = v.Get("model"); len(q.filter.Model) > maxModel {
		return q, fmt.Errorf("model: %d bytes, at most %d are allowed", len(q.filter.Model), maxModel)
	}
	q.interval = h.cfg.UpdateInterval
	if s := v.Get("interval_ms"); s != "" {
		ms, err := strconv.ParseUint(s, 10, 32)
		ok := err == nil && ms > 0
		if ok {
			q.interval, ok = roundUp(time.Duration(ms) * time.Millisecond)
		}
		if !ok {
			return q, fmt.Errorf("interval_ms: %q is not a whole number from 250 to 60000", s)
		}
	}
	if s := v.Get("since"); s != "" {
		if q.since, err = parsePosition(s); err != nil {
			return q, fmt.Errorf("since: %w", err)
		}
	}
	if s := r.Header.Get("Last-Event-ID"); s != "" { // newer than the query: a browser repeats the query with each new try
		p, err := parsePosition(s)
		if err != nil { // a browser can't mend it
			p = position{given: true}
		}
		q.since = p
	}
	return q, nil
}

// named finds the topics of a query, in the order of the hub's list; only wins over the query.
func (h *Hub) named(lists []string, only string) ([]*Topic, error) {
	var wanted []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				wanted = append(wanted, name)
			}
		}
	}
	if only != "" {
		wanted = []string{only}
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(h.topics, func(t *Topic) bool { return t.Name == name }) {
			return nil, fmt.Errorf("topics: %q is not known; there are %s", name, strings.Join(h.names(), ", "))
		}
	}
	var topics []*Topic
	for _, t := range h.topics {
		if len(wanted) == 0 || slices.Contains(wanted, t.Name) {
			topics = append(topics, t)
		}
	}
	return topics, nil
}

func (h *Hub) names() []string {
	names := make([]string, len(h.topics))
	for i, t := range h.topics {
		names[i] = t.Name
	}
	return names
}

var errPosition = errors.New("must be EPOCH.SEQ as the id of an event gives it")

func parsePosition(s string) (position, error) {
	epoch, number, ok := strings.Cut(s, ".")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ok || epoch == "" || err != nil {
		return position{}, errPosition
	}
	return position{epoch: epoch, seq: seq, given: true}, nil
}

func (h *Hub) hello(q query) []byte {
	return encode(struct {
		Type     string   `json:"type"`
		Epoch    string   `json:"epoch"`
		Topics   []string `json:"topics"`
		Interval int64    `json:"interval_ms"`
	}{"hello", h.epoch, h.names(), q.interval.Milliseconds()})
}

func (h *Hub) reset(topic, reason string) []byte {
	return encode(struct {
		Type   string `json:"type"`
		Topic  string `json:"topic"`
		Epoch  string `json:"epoch"`
		Reason string `json:"reason"`
	}{"reset", topic, h.epoch, reason})
}

// encode is for values that always encode.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
