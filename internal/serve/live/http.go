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

	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Mount adds the streams and what is told of them.
func (h *Hub) Mount(m *httpx.Mux) {
	h.MountStreams(m)
	options := append(h.options(), httpx.Header("Sec-WebSocket-Protocol", Protocol+" is spoken"),
		httpx.Answer("101", "a WebSocket: each text frame is a message, see asyncapi.json"), httpx.Answer("426", "not a WebSocket handshake, or not of version 13"))
	m.HandleFunc("GET /ws", h.Socket, append(options, httpx.Doc("Live states and happenings over WebSocket."), h.topicsQuery())...)
	m.HandleFunc("GET /ws/metrics", func(w http.ResponseWriter, r *http.Request) { h.serveSocket(w, r, metricsTopic) }, append(options, httpx.Doc("The topic metrics alone, until the client subscribes to more."))...)
	m.HandleFunc("GET /asyncapi.json", h.serveAsyncAPI, httpx.Doc("The messages of the streams as AsyncAPI 3."), httpx.SameForEveryTenant(), httpx.Answer("200", "the document", httpx.Schema{"type": "object"}))
	m.HandleFunc("GET /streams/status", func(w http.ResponseWriter, _ *http.Request) { httpx.JSON(w, http.StatusOK, h.Status()) },
		httpx.Doc("Who is connected, to what, and what was held back."), httpx.Answer("200", "the streams", Status{}))
	m.HandleFunc("GET /streams/performance", func(w http.ResponseWriter, _ *http.Request) { httpx.JSON(w, http.StatusOK, h.Performance()) },
		httpx.Doc("How fast the streams are."), httpx.Answer("200", "the figures", Performance{}))
}

// MountStreams adds the event streams alone, for the origins of the dashboards.
func (h *Hub) MountStreams(m *httpx.Mux) {
	options := append(h.options(), httpx.Stream(), httpx.Header("Last-Event-ID", "as since, and before it"),
		httpx.Answer("200", "text/event-stream: hello, then a snapshot and merge patches (RFC 7396) of each state, and each happening"))
	m.HandleFunc("GET /stream", h.Stream, append(options, httpx.Doc("Live states and happenings as server-sent events."), h.topicsQuery())...)
	if slices.Contains(h.names(), metricsTopic) {
		m.HandleFunc("GET /stream/metrics", func(w http.ResponseWriter, r *http.Request) { h.serveStream(w, r, metricsTopic) }, append(options, httpx.Doc("The topic metrics alone."))...)
	}
}

// options describe what all streams have.
func (h *Hub) options() []httpx.Option {
	return []httpx.Option{
		httpx.Query("model", "only what names this model"), httpx.Query("interval_ms", "time between updates of states, rounded up to 250, 500, 1000, 2000, 5000, 15000 or 60000"),
		httpx.Query("since", "EPOCH.SEQ of the last message seen"), httpx.Answer("400", "unknown topic or bad parameter"),
		httpx.Answer("403", "a page of another origin asks, or who is bound to a tenant asks for a topic that does not tell tenants apart"), httpx.KeepsTenantsApart(), httpx.Answer("503", "all places are taken; Retry-After says when to come back"),
	}
}

func (h *Hub) topicsQuery() httpx.Option {
	return httpx.Query("topics", "names separated by commas; all of "+strings.Join(h.names(), ", ")+" when absent")
}

const metricsTopic = "metrics"

// admit judges a request for a stream, finds it a place, and waits until the topics can be told. It answers by itself when it is not ok.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request, only string, g *gate) (q query, p place, ok bool) {
	if !mayOpen(w, r) {
		httpx.Problem(w, r, http.StatusForbidden, "a page of another origin may not open this stream; open it from the dashboards or with a client of your own")
		return q, p, false
	}
	q, err := h.parse(r, only)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, errNotForTenants) {
			status = http.StatusForbidden
		}
		httpx.Problem(w, r, status, err.Error())
		return q, p, false
	}
	p, refusal := g.enter(r.RemoteAddr)
	if refusal != "" {
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, retryAfter, refusal)
		return q, p, false
	}
	h.await(r.Context(), q.topics)
	return q, p, true
}

// ownOrigin tells whether a request comes from a page of this very origin, or from no page. What net/http protects lets GET through,
// so the streams look themselves.
func ownOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	return err == nil && len(origins) == 1 && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, r.Host)
}

// query is what a client asks for.
type query struct {
	wish
	ended <-chan struct{} // closed when who asks may no longer listen; nil = never
}

const maxModel = 512 // bytes of a model's name in a filter

// parse reads the query; its errors are for the client.
func (h *Hub) parse(r *http.Request, only string) (q query, err error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, fmt.Errorf("the query can't be read: %w", err)
	}
	if p := auth.From(r.Context()); p != nil {
		q.filter.Tenant, q.ended = p.Tenant, p.Ended
	}
	if q.topics, err = h.named(v["topics"], only, q.filter.Tenant); err != nil {
		return q, err
	}
	if q.filter.Model = v.Get("model"); len(q.filter.Model) > maxModel {
		return q, fmt.Errorf("model: %d bytes, at most %d are allowed", len(q.filter.Model), maxModel)
	}
	q.interval = h.usual()
	if s := v.Get("interval_ms"); s != "" {
		ms, err := strconv.ParseInt(s, 10, 64)
		ok := err == nil
		if ok {
			q.interval, ok = intervalOf(ms)
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

// errNotForTenants says that a topic does not tell tenants apart.
var errNotForTenants = errors.New("is of all tenants together, and your token is bound to one")

// named finds the topics of a query, in the order of the hub's list; only wins over the query. Who is bound to a tenant hears what tells
// tenants apart.
func (h *Hub) named(lists []string, only, tenant string) ([]*Topic, error) {
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
			return nil, fmt.Errorf("topics: %.60q is not known; there are %s", name, strings.Join(h.names(), ", "))
		}
	}
	var topics []*Topic
	for _, t := range h.topics {
		switch named := slices.Contains(wanted, t.Name); {
		case named && tenant != "" && !t.Tenants:
			return nil, fmt.Errorf("topics: %s %w", t.Name, errNotForTenants)
		case named, len(wanted) == 0 && (tenant == "" || t.Tenants):
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

// trouble is what a client is told that something is wrong; topic may be "".
func (h *Hub) trouble(topic, code, detail string) []byte {
	return encode(struct {
		Type   string `json:"type"`
		Topic  string `json:"topic,omitempty"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}{"error", topic, code, detail})
}

func itoa(n int) string { return strconv.Itoa(n) }

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
