package ingest

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func (a *API) mountDeadLetters(m *httpx.Mux) {
	away := httpx.Answer("503", "the brokers do not answer, see Retry-After")
	filters := []httpx.Option{httpx.Query("topic", "where it was read or would have gone"), httpx.Query("reason", "reason code"),
		httpx.Query("since", "received at this time or later", httpx.Time()), httpx.Query("until", "received before", httpx.Time()),
		httpx.Query("state", "what became of it", httpx.OneOf(stateOpen, stateRedriven)), httpx.Answer("400", "a wrong parameter"), away}
	with := func(more ...httpx.Option) []httpx.Option { return append(more, filters...) }
	m.HandleFunc("GET /dead-letters", a.asked(a.getDeadLetters), with(httpx.Doc("Lists what was refused, with the reason, the newest first."), httpx.Paging(), httpx.Answer("200", "the letters", deadLetterList{}))...)
	m.HandleFunc("GET /dead-letters/summary", a.asked(a.getDeadLetterSummary), with(httpx.Doc("Counts the dead letters by reason code."), httpx.Answer("200", "the counts", DeadLetterSummary{}))...)
	m.HandleFunc("GET /dead-letters/{id}", a.asked(a.getDeadLetter), httpx.Doc("Shows one dead letter."), httpx.Answer("200", "the letter", DeadLetter{}), httpx.Answer("404", "there is no such letter"), away)
	m.HandleFunc("POST /dead-letters/redrive", a.postRedrive,
		httpx.Doc("Sends dead letters again: ids, or those that a filter of the list's parameters finds, each changed by a JSON merge patch if one is given. With dry_run nothing is written."),
		httpx.Body("application/json"), httpx.BodyOf(redriveDoc), httpx.Answer("200", "all of them are on their topics, or it was a dry run", Redrive{}),
		httpx.Answer("207", "some of them are, results says which", Redrive{}), httpx.Answer("400", "the body cannot be read"), httpx.Answer("404", "there is no letter of that id"),
		httpx.Answer("413", "the body is too large"), httpx.AnswerAs("422", "application/json", "", httpx.Schema{"type": "object"}),
		httpx.AnswerAs("422", "application/problem+json", "none of them is, and results says why; or the body cannot be used", httpx.Schema{"type": "object"}), away)
}

// redriveDoc describes redriveBody.
var redriveDoc = httpx.Schema{"type": "object", "additionalProperties": false, "properties": map[string]any{
	"ids": httpx.Schema{"type": []string{"array", "null"}, "items": httpx.Schema{"type": "string"}, "maxItems": maxRedriveIDs},
	"filter": httpx.Schema{"type": []string{"object", "null"}, "additionalProperties": false, "properties": map[string]any{
		"topic": orNull(httpx.Schema{"type": "string"}), "reason": orNull(httpx.Schema{"type": "string"}), "since": orNull(httpx.Time()), "until": orNull(httpx.Time()),
		"state": httpx.Schema{"enum": []any{stateOpen, nil}}}},
	"patch":   httpx.Schema{"type": []string{"object", "null"}, "description": "RFC 7396, applied to each payload"},
	"dry_run": httpx.Schema{"type": []string{"boolean", "null"}}, "limit": httpx.Schema{"type": []string{"integer", "null"}, "minimum": 0, "maximum": maxRedrive},
	"cursor": httpx.Schema{"type": []string{"string", "null"}, "description": "next_cursor of the redrive before"},
}}

// orNull lets a value be null, which is as good as absent.
func orNull(s httpx.Schema) httpx.Schema {
	return httpx.Schema{"anyOf": []httpx.Schema{s, {"type": "null"}}}
}

// DeadLetter is a dead letter as GET /dead-letters and hxp dead-letters show it.
type DeadLetter struct {
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
	RedrivableAt  *string      `json:"redrivable_at,omitempty"` // of an event from the future: when its time has come
}

type deadLetterList struct {
	DeadLetters []DeadLetter `json:"dead_letters"`
	Next        *string      `json:"next_cursor"`
}

type headerItem struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (a *API) showLetter(l *letter, d *event.DeadLetter) DeadLetter {
	out := DeadLetter{
		ID: d.ID, Partition: orNil(int64(d.Partition)), Offset: orNil(d.Offset), Headers: []headerItem{},
		PayloadBase64: base64.StdEncoding.EncodeToString(d.Payload), PayloadBytes: d.PayloadSize,
		ReasonCode: d.Code, Pointer: d.Pointer, Reason: d.Reason, ReceivedAt: event.FormatTime(d.ReceivedAt), State: l.state(), RedriveCount: int(l.redrives),
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
		out.Headers = append(out.Headers, headerItem{strings.ToValidUTF8(h[0], "\uFFFD"), strings.ToValidUTF8(h[1], "\uFFFD")})
	}
	if d.Code == event.CodeFuture {
		dec := a.newDecoder()
		var e event.Event
		if dec.Decode(d.Payload, originalHeaders(d), &e) == nil && e.HasTime {
			out.RedrivableAt = new(event.FormatTime(e.Time - a.settings().MaxFuture.Microseconds()))
		}
	}
	return out
}

// originalHeaders are those of the record or request that the letter was.
func originalHeaders(d *event.DeadLetter) []event.Header {
	out := make([]event.Header, len(d.Headers))
	for i, h := range d.Headers {
		out[i] = event.Header{Key: h[0], Value: []byte(h[1])}
	}
	return out
}

// wantedBy reads the filters of a query.
func wantedBy(q url.Values) (*wanted, error) {
	if err := given(q, "state"); err != nil {
		return nil, err
	}
	return wantedOf(q.Get, "", http.StatusBadRequest)
}

// wantedOf reads the filters of a query, or of a body by the same names.
func wantedOf(param func(string) string, where string, status int) (*wanted, error) {
	q := &wanted{topic: param("topic"), reason: param("reason"), state: param("state")}
	if q.state != "" && q.state != stateOpen && q.state != stateRedriven {
		return nil, wrong(status, where+"state", "unknown_value", fmt.Sprintf("%q is neither open nor redriven", clip(q.state)))
	}
	for name, into := range map[string]*int64{"since": &q.since, "until": &q.until} {
		s := param(name)
		if s == "" {
			continue
		}
		t, err := event.ParseTime(s)
		if err != nil {
			return nil, wrong(status, where+name, "bad_timestamp", err.Error())
		}
		*into = t
	}
	return q, nil
}

func (a *API) getDeadLetters(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	p, err := paging(r)
	if err != nil {
		return err
	}
	q, err := wantedBy(r.URL.Query())
	if err != nil {
		return err
	}
	behind, err := parseLetterCursor(p.after)
	if err != nil {
		return err
	}
	if err := a.caughtUp(ctx); err != nil {
		return err
	}
	found := a.letters.pick(q, behind, p.limit+1, true)
	list := found[:min(len(found), p.limit)]
	size := 0
	for i := range list {
		if size += int(list[i].size); size > pageBytes && i > 0 {
			list = list[:i]
			break
		}
	}
	payloads, err := a.readLetters(ctx, list)
	if err != nil {
		return err
	}
	out := deadLetterList{DeadLetters: make([]DeadLetter, 0, len(list))}
	for i := range list {
		if d := payloads[list[i].position]; d != nil {
			out.DeadLetters = append(out.DeadLetters, a.showLetter(&list[i], d))
		}
	}
	if len(list) < len(found) {
		out.Next = letterCursor(&list[len(list)-1])
	}
	httpx.JSON(w, http.StatusOK, out)
	return nil
}

func (a *API) getDeadLetter(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := a.caughtUp(ctx); err != nil {
		return err
	}
	l, ok := a.letters.get(id)
	if ok {
		payloads, err := a.readLetters(ctx, []letter{l})
		if err != nil {
			return err
		}
		if d := payloads[l.position]; d != nil && d.ID == id {
			httpx.JSON(w, http.StatusOK, a.showLetter(&l, d))
			return nil
		}
	}
	return &httpx.Fault{Status: http.StatusNotFound, Detail: fmt.Sprintf("there is no dead letter %q", clip(id))}
}

// DeadLetterSummary is the answer of GET /dead-letters/summary.
type DeadLetterSummary struct {
	Counts    map[string]int `json:"counts"` // by reason code, whatever the state
	Open      map[string]int `json:"open"`   // those not redriven
	Topics    map[string]int `json:"topics"`
	Total     int            `json:"total"`
	Redriven  int            `json:"redriven"`
	Forgotten int64          `json:"forgotten"` // too old for the index of the newest; they are on their topic until its retention
}

func (a *API) getDeadLetterSummary(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	q, err := wantedBy(r.URL.Query())
	if err != nil {
		return err
	}
	if err := a.caughtUp(ctx); err != nil {
		return err
	}
	t := a.letters.tally(q)
	out := DeadLetterSummary{Counts: t.codes, Open: t.open, Topics: t.topics, Redriven: t.redriven}
	for _, n := range t.codes {
		out.Total += n
	}
	a.letters.mu.Lock()
	out.Forgotten = a.letters.forgotten
	a.letters.mu.Unlock()
	httpx.JSON(w, http.StatusOK, out)
	return nil
}

// showLetters brings the metrics up to date. Labels are a closed set, whatever codes a stranger writes.
func (a *API) showLetters() {
	t := a.letters.tally(&wanted{})
	open, redriven := map[string]int{otherNames: 0}, map[string]int{otherNames: 0}
	for _, code := range event.Codes {
		open[code], redriven[code] = 0, 0
	}
	for code, n := range t.codes {
		label := code
		if _, known := open[code]; !known {
			label = otherNames
		}
		open[label] += t.open[code]
		redriven[label] += n - t.open[code]
	}
	for code := range open {
		a.metrics.letters.WithLabelValues(code, stateOpen).Set(float64(open[code]))
		a.metrics.letters.WithLabelValues(code, stateRedriven).Set(float64(redriven[code]))
	}
}

// letterCursor names a letter by its place in the order of the list.
func letterCursor(l *letter) *string {
	return cursor(strconv.FormatInt(l.received, 10) + "." + l.position.String())
}

func parseLetterCursor(s string) (*letter, error) {
	if s == "" {
		return nil, nil
	}
	received, place, _ := strings.Cut(s, ".")
	t, err := strconv.ParseInt(received, 10, 64)
	if err != nil {
		return nil, errCursor
	}
	at, err := parsePosition(place)
	if err != nil {
		return nil, errCursor
	}
	return &letter{position: at, received: t}, nil
}

// position is a place in a topic.
type position struct {
	partition int32
	offset    int64
}

func (p position) String() string {
	return strconv.Itoa(int(p.partition)) + "." + strconv.FormatInt(p.offset, 10)
}

func parsePosition(s string) (position, error) {
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
