package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// The bounds of one redrive.
const (
	maxRedriveIDs    = 1000
	maxRedrive       = 10_000  // letters that a filter finds in one request; next_cursor goes on
	redriveChunk     = 200     // letters that are under way together
	redriveBytes     = 4 << 20 // and their payloads
	maxRedriveCount  = 5       // how often a filter tries a letter; by its id it can be tried on
	maxRedriveListed = maxRedriveIDs
	redriveShare     = 4 // of the time for an answer a quarter is left for telling it
)

// What becomes of a letter.
const (
	didRedrive  = "redriven"         // it is on its topic
	didBefore   = "already_redriven" // nothing was done
	wouldBe     = "valid"            // a dry run: it would be
	stillBad    = "rejected"         // it is still no event
	tooEarly    = "too_early"        // its time has not come
	tooOften    = "too_often"        // it was tried so often that filters leave it out
	cutOff      = "cut"              // only its beginning was kept
	unpatchable = "not_patchable"    // it is not JSON
	unknownID   = "not_found"
)

// redriveBody is the wish of POST /dead-letters/redrive.
type redriveBody struct {
	IDs    []string           `json:"ids"`
	Filter map[string]*string `json:"filter"`
	Patch  json.RawMessage    `json:"patch"`
	DryRun bool               `json:"dry_run"`
	Limit  int                `json:"limit"`
	Cursor string             `json:"cursor"`
}

// RedriveResult tells what became of one letter.
type RedriveResult struct {
	ID           string          `json:"id"`
	Outcome      string          `json:"outcome"`
	EventID      string          `json:"event_id,omitempty"`
	Duplicate    bool            `json:"duplicate,omitempty"` // it was on its topic before
	Topic        string          `json:"topic,omitempty"`
	Partition    *int32          `json:"partition,omitempty"`
	Offset       *int64          `json:"offset,omitempty"`
	Code         string          `json:"code,omitempty"`
	Pointer      string          `json:"pointer,omitempty"`
	Detail       string          `json:"detail,omitempty"`
	RedriveCount int             `json:"redrive_count"`
	Event        json.RawMessage `json:"event,omitempty"` // a dry run: what would be written
}

// Redrive is the answer to a redrive.
type Redrive struct {
	DryRun  bool            `json:"dry_run"`
	Counts  map[string]int  `json:"counts"`          // by outcome, of all letters
	Results []RedriveResult `json:"results"`         // of the first 1000 letters
	Error   string          `json:"error,omitempty"` // what ended it before its time; what is not in counts was not tried
	Next    *string         `json:"next_cursor"`     // of a filter: there are more letters; send it as cursor
}

func (r *Redrive) add(one RedriveResult) {
	r.Counts[one.Outcome]++
	if len(r.Results) < maxRedriveListed {
		r.Results = append(r.Results, one)
	}
}

// status: everything, something or nothing is on its topic. A dry run has done what it was asked for.
func (r *Redrive) status() int {
	if r.DryRun {
		return http.StatusOK
	}
	good, all := r.Counts[didRedrive]+r.Counts[didBefore], 0
	for _, n := range r.Counts {
		all += n
	}
	switch {
	case good == all && r.Error == "":
		return http.StatusOK
	case good > 0:
		return http.StatusMultiStatus
	}
	return http.StatusUnprocessableEntity
}

func (a *API) postRedrive(w http.ResponseWriter, r *http.Request) {
	// Who goes away does not take back what is half done.
	ctx, unguard := a.guard(context.WithoutCancel(r.Context()))
	defer unguard()
	ctx, cancel := context.WithTimeout(ctx, a.settings().Timeout)
	defer cancel()
	out, err := a.redrive(ctx, w, r)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, bus.ErrAway) {
			err = cause
		}
		a.failed(w, r, err)
		return
	}
	out.note(r)
	a.log.Info("dead letters sent again", "dry_run", out.DryRun, "outcomes", out.Counts, "request_id", httpx.RequestID(r.Context()))
	httpx.JSON(w, out.status(), out)
}

// mostNoted is how many letters a record of the audit names. What became of each stands beside it, with the dead letters.
const mostNoted = 100

// note says for the audit what was sent again.
func (r *Redrive) note(req *http.Request) {
	if r.DryRun {
		httpx.Unchanged(req.Context())
		return
	}
	before, after := map[string]string{}, map[string]string{}
	for _, one := range r.Results[:min(len(r.Results), mostNoted)] {
		if one.Outcome != didBefore && one.Outcome != unknownID {
			before[one.ID], after[one.ID] = stateOpen, one.Outcome
		}
	}
	if len(after) > 0 {
		httpx.Changed(req.Context(), map[string]any{"letters": before}, map[string]any{"letters": after, "counts": r.Counts})
	}
}

func (a *API) redrive(ctx context.Context, w http.ResponseWriter, r *http.Request) (*Redrive, error) {
	var body redriveBody
	if err := bodyOf(w, r, &body); err != nil {
		return nil, err
	}
	if err := body.check(); err != nil {
		return nil, err
	}
	select { // one at a time: a letter that two send again would be tried twice
	case a.redriving <- struct{}{}:
		defer func() { <-a.redriving }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := a.caughtUp(ctx); err != nil {
		return nil, err
	}
	out := &Redrive{DryRun: body.DryRun, Counts: map[string]int{}, Results: []RedriveResult{}}
	chosen, err := a.chosen(&body, out)
	if err != nil {
		return nil, err
	}
	err = a.redriveAll(ctx, &body, chosen, out)
	if err != nil && len(out.Counts) == 0 {
		return nil, err
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out, nil
}

func (b *redriveBody) check() error {
	unfit := func(where, code, detail string) error {
		return wrong(http.StatusUnprocessableEntity, where, code, detail)
	}
	switch {
	case len(b.IDs) > 0 && b.Filter != nil:
		return unfit("/filter", "conflict", "give ids or a filter, not both")
	case len(b.IDs) == 0 && b.Filter == nil:
		return unfit("/ids", "required", "name the letters: ids, or a filter ({} is every open letter)")
	case len(b.IDs) > maxRedriveIDs:
		return unfit("/ids", "too_many", fmt.Sprintf("%d ids are more than %d; use a filter", len(b.IDs), maxRedriveIDs))
	case b.Limit < 0 || b.Limit > maxRedrive:
		return unfit("/limit", "out_of_range", fmt.Sprintf("%d is not a number from 1 to %d", b.Limit, maxRedrive))
	}
	for name, value := range b.Filter {
		switch {
		case !slices.Contains([]string{"topic", "reason", "since", "until", "state"}, name):
			return unfit("/filter/"+clip(name), "unknown_field", "there is no such filter; they are topic, reason, since, until and state")
		case name == "state" && value != nil && *value == "":
			return unfit("/filter/"+name, "required", "it has no value; leave it out or give one")
		}
	}
	b.Patch = bytes.TrimSpace(b.Patch)
	if string(b.Patch) == "null" {
		b.Patch = nil
	}
	if len(b.Patch) > 0 && b.Patch[0] != '{' {
		return unfit("/patch", "wrong_type", "a merge patch of an event is an object (RFC 7396)")
	}
	return nil
}

// filter is the value of a filter, "" when it is not given.
func (b *redriveBody) filter(name string) string {
	if v := b.Filter[name]; v != nil {
		return *v
	}
	return ""
}

// chosen lists the letters to send again. What is known to be left out goes into the answer at once.
func (a *API) chosen(b *redriveBody, out *Redrive) ([]letter, error) {
	if b.Filter == nil {
		return a.chosenByID(b.IDs, out)
	}
	q, err := wantedOf(b.filter, "/filter/", http.StatusUnprocessableEntity)
	if err != nil {
		return nil, err
	}
	if q.state == stateRedriven {
		return nil, wrong(http.StatusUnprocessableEntity, "/filter/state", "conflict", "letters that were redriven are not sent again; a filter finds open ones")
	}
	q.state = stateOpen
	var behind *letter
	if b.Cursor != "" {
		after, err := decodeCursor(b.Cursor)
		if err == nil {
			behind, err = parseLetterCursor(after)
		}
		if err != nil {
			return nil, wrong(http.StatusUnprocessableEntity, "/cursor", "not_a_cursor", "it was not given by a redrive")
		}
	}
	limit := cmp.Or(b.Limit, maxRedrive)
	found := a.letters.pick(q, behind, limit+1, false)
	if len(found) > limit {
		found = found[:limit]
		out.Next = letterCursor(&found[limit-1])
	}
	return found, nil
}

func (a *API) chosenByID(ids []string, out *Redrive) ([]letter, error) {
	var found []letter
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		l, ok := a.letters.get(id)
		switch {
		case !ok && len(ids) == 1:
			return nil, &httpx.Fault{Status: http.StatusNotFound, Detail: fmt.Sprintf("there is no dead letter %q", clip(id))}
		case !ok:
			out.add(RedriveResult{ID: id, Outcome: unknownID, Detail: "there is no such letter"})
		case l.redriven:
			out.add(RedriveResult{ID: id, Outcome: didBefore, RedriveCount: int(l.redrives)})
		default:
			found = append(found, l)
		}
	}
	return found, nil
}

// redriveAll sends letters again, some at a time, until the time for an answer is up.
func (a *API) redriveAll(ctx context.Context, b *redriveBody, list []letter, out *Redrive) error {
	until := time.Now().Add(a.settings().Timeout - a.settings().Timeout/redriveShare)
	for len(list) > 0 {
		n, size := 0, 0
		for n < min(len(list), redriveChunk) && (n == 0 || size+int(list[n].size) <= redriveBytes) {
			size += int(list[n].size)
			n++
		}
		if err := a.redriveSome(ctx, b, list[:n], out); err != nil {
			return err
		}
		if last := &list[n-1]; b.Filter != nil && n < len(list) && time.Now().After(until) {
			out.Next = letterCursor(last)
			return nil
		}
		list = list[n:]
	}
	return nil
}

// attempt is one letter on its way.
type attempt struct {
	letter *letter
	dead   *event.DeadLetter
	record Record
}

// redriveSome reads letters, offers what they hold, and marks what became of them. Events come first: a letter whose mark is lost
// is sent again under the same identity, which adds nothing.
func (a *API) redriveSome(ctx context.Context, b *redriveBody, list []letter, out *Redrive) error {
	payloads, err := a.readLetters(ctx, list)
	if err != nil {
		return err
	}
	var tries []attempt
	for i := range list {
		d := payloads[list[i].position]
		if d == nil {
			continue // it has left the topic meanwhile
		}
		one, t := prepareAttempt(b, &list[i], d)
		if t == nil {
			out.add(one)
			continue
		}
		tries = append(tries, *t)
	}
	if b.DryRun {
		for i := range tries {
			out.add(a.tryDry(&tries[i]))
		}
		return nil
	}
	if len(tries) == 0 {
		return nil
	}
	records := make([]Record, len(tries))
	for i := range tries {
		records[i] = tries[i].record
	}
	outcomes, err := a.Offer(ctx, records)
	if err != nil {
		return err
	}
	return a.settleLetters(ctx, tries, outcomes, out)
}

// prepareAttempt makes the record of a letter, or says why there is none.
func prepareAttempt(b *redriveBody, l *letter, d *event.DeadLetter) (RedriveResult, *attempt) {
	one := RedriveResult{ID: d.ID, RedriveCount: int(l.redrives)}
	payload := d.Payload
	switch {
	case l.redrives >= maxRedriveCount && b.Filter != nil:
		one.Outcome, one.Detail = tooOften, fmt.Sprintf("it was sent again %d times in vain; send it by its id when it is mended", l.redrives)
		return one, nil
	case d.SHA256 != "":
		one.Outcome, one.Detail = cutOff, fmt.Sprintf("only the first %d of its %d bytes were kept", len(d.Payload), d.PayloadSize)
		return one, nil
	case len(b.Patch) > 0:
		patched, err := mergePatch(payload, b.Patch)
		if err != nil {
			one.Outcome, one.Detail = unpatchable, err.Error()
			return one, nil
		}
		payload = patched
	}
	return one, &attempt{l, d, Record{Payload: payload, Headers: originalHeaders(d), ID: d.ID, Time: d.ReceivedAt, Redrives: int(l.redrives) + 1}}
}

// tryDry reads a record as Offer would and writes nothing.
func (a *API) tryDry(t *attempt) RedriveResult {
	one := RedriveResult{ID: t.dead.ID, RedriveCount: int(t.letter.redrives)}
	dec := a.newDecoder()
	var e event.Event
	bad := dec.Decode(t.record.Payload, t.record.Headers, &e)
	if bad == nil {
		if e.ID == "" {
			e.ID = t.record.ID
		}
		if !e.HasTime {
			e.Time, e.HasTime = t.record.Time, true
		}
		if e.Time > a.now().Add(a.settings().MaxFuture).UnixMicro() {
			bad = &event.Invalid{Code: event.CodeFuture, Pointer: "/timestamp", Detail: "its time has not come"}
		}
	}
	if bad != nil {
		one.refuse(bad)
		return one
	}
	one.Outcome, one.EventID, one.Topic, one.Event = wouldBe, e.ID, e.Kind.Topic(), event.AppendJSON(nil, &e)
	return one
}

func (r *RedriveResult) refuse(bad *event.Invalid) {
	r.Outcome, r.Code, r.Pointer, r.Detail = stillBad, bad.Code, bad.Pointer, bad.Detail
	if bad.Code == event.CodeFuture {
		r.Outcome = tooEarly
	}
}

// settleLetters writes down what became of letters. That the time of one has not come is no attempt.
func (a *API) settleLetters(ctx context.Context, tries []attempt, outcomes []Outcome, out *Redrive) error {
	var marks []*bus.Message
	results := make([]RedriveResult, len(tries))
	for i := range tries {
		t, o := &tries[i], &outcomes[i]
		one := &results[i]
		*one = RedriveResult{ID: t.dead.ID, RedriveCount: int(t.letter.redrives)}
		m := event.DeadMark{ID: t.dead.ID, Redrives: int(t.letter.redrives) + 1, At: a.now().UnixMicro()}
		if o.Bad != nil {
			one.refuse(o.Bad)
		} else {
			m.Redriven, m.EventID = true, o.EventID
			one.Outcome, one.EventID, one.Duplicate, one.Topic = didRedrive, o.EventID, o.Duplicate, o.Topic
			if o.Offset != held {
				one.Partition, one.Offset = &o.Partition, &o.Offset
			}
		}
		if one.Outcome == tooEarly {
			continue
		}
		one.RedriveCount = m.Redrives
		key, headers := m.Record()
		msg := &bus.Message{Topic: event.TopicDeadLetters, Key: key}
		for _, h := range headers {
			msg.Headers = append(msg.Headers, bus.Header{Key: h.Key, Value: h.Value})
		}
		marks = append(marks, msg)
	}
	if len(marks) > 0 {
		if err := a.out.Send(ctx, marks); err != nil {
			return fmt.Errorf("what became of %d letters was not written down; sent again they add nothing: %w", len(marks), err)
		}
	}
	for i := range results {
		a.metrics.redrives.WithLabelValues(results[i].Outcome).Inc()
		out.add(results[i])
	}
	return nil
}
