package ingest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// The work of one page. A filter that hardly anything passes hands a cursor over instead of reading for minutes.
const (
	maxScanned    = 20_000   // records looked at
	maxScanBytes  = 32 << 20 // bytes looked at
	scanWithin    = 5 * time.Second
	browsers      = 4       // pages under way at a time
	pageBytes     = 4 << 20 // payloads of a page: each may be shown twice and encoded
	maxFilterText = 1 << 10
)

// Message is a record of a topic as GET /topics/{name}/messages shows it.
type Message struct {
	Partition     int32           `json:"partition"`
	Offset        int64           `json:"offset"`
	Timestamp     string          `json:"timestamp"` // when the broker took it
	Key           *string         `json:"key"`
	Headers       []headerItem    `json:"headers"`
	Value         json.RawMessage `json:"value"` // the event in its canonical form; null when it is none
	PayloadBase64 *string         `json:"payload_base64,omitempty"`
	PayloadText   *string         `json:"payload_text,omitempty"`
	Reason        *ItemFault      `json:"reason,omitempty"` // why it is no event
}

type messageList struct {
	Messages []Message `json:"messages"`
	Next     *string   `json:"next_cursor"`
}

// ItemFault says why something is no event.
type ItemFault struct {
	Code    string `json:"code"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// browse is what a page was asked for, and where it stands.
type browse struct {
	topic    string
	id       string // of the topic
	limit    int
	key      *string
	kind     event.Kind
	byKind   bool
	contains []byte

	next    map[int32]int64 // first offset not looked at, by partition
	ends    map[int32]int64
	decoder event.Decoder
	e       event.Event
}

func (a *API) getMessages(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	b, err := a.browse(ctx, r)
	if err != nil {
		return err
	}
	select {
	case a.browsing <- struct{}{}:
		defer func() { <-a.browsing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	found, err := a.scan(ctx, b)
	if err != nil {
		return err
	}
	page := b.page(found)
	out := messageList{Messages: make([]Message, 0, len(page)), Next: b.cursor()}
	for _, m := range page {
		out.Messages = append(out.Messages, b.show(m))
	}
	httpx.JSON(w, http.StatusOK, out)
	return nil
}

// browse reads the parameters and asks for the bounds of the logs.
func (a *API) browse(ctx context.Context, r *http.Request) (*browse, error) {
	q := r.URL.Query()
	p, err := paging(r)
	if err == nil {
		err = given(q, "partition", "offset")
	}
	if err != nil {
		return nil, err
	}
	b := &browse{topic: r.PathValue("name"), limit: p.limit, next: map[int32]int64{}, ends: map[int32]int64{}, decoder: a.newDecoder()}
	if err := b.filters(q.Get); err != nil {
		return nil, err
	}
	if q.Has("key") {
		b.key = new(q.Get("key"))
	}
	info, err := a.topicInfo(ctx, b.topic)
	if err != nil {
		return nil, err
	}
	b.id = info.ID
	only, err := partitionOf(q.Get("partition"), info.Partitions)
	if err != nil {
		return nil, err
	}
	if err := a.begin(ctx, b, q.Get("offset"), q.Get("from"), only, info); err != nil {
		return nil, err
	}
	if p.after != "" {
		return b, b.resume(p.after)
	}
	return b, nil
}

func (b *browse) filters(param func(string) string) error {
	if s := param("event_type"); s != "" {
		k, ok := event.ParseKind(s)
		if !ok {
			return wrong(http.StatusBadRequest, "event_type", "unknown_event_type", fmt.Sprintf("there is no event type %q", clip(s)))
		}
		b.kind, b.byKind = k, true
	}
	for _, name := range []string{"key", "contains"} {
		if len(param(name)) > maxFilterText {
			return wrong(http.StatusBadRequest, name, "too_large", fmt.Sprintf("it has more than %d bytes", maxFilterText))
		}
	}
	b.contains = []byte(param("contains"))
	return nil
}

// partitionOf reads the number of a partition; -1 = all.
func partitionOf(s string, partitions int) (int32, error) {
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 || n >= int64(partitions) {
		return 0, wrong(http.StatusBadRequest, "partition", "out_of_range", fmt.Sprintf("%q is not a number from 0 to %d", clip(s), partitions-1))
	}
	return int32(n), nil
}

// begin sets where reading starts: at an offset, at a time, or at the start of the logs.
func (a *API) begin(ctx context.Context, b *browse, offset, from string, only int32, info *bus.TopicInfo) error {
	start := int64(0)
	at := map[int32]int64{}
	switch {
	case offset != "" && from != "":
		return wrong(http.StatusBadRequest, "from", "conflict", "give an offset or a time to begin at, not both")
	case offset != "":
		n, err := strconv.ParseInt(offset, 10, 64)
		if err != nil || n < 0 {
			return wrong(http.StatusBadRequest, "offset", "out_of_range", fmt.Sprintf("%q is not a number from 0 on", clip(offset)))
		}
		if only < 0 && n > 0 {
			return wrong(http.StatusBadRequest, "offset", "conflict", "an offset means something in one partition alone; name it with partition")
		}
		start = n
	case from != "":
		t, err := event.ParseTime(from)
		if err != nil {
			return wrong(http.StatusBadRequest, "from", "bad_timestamp", err.Error())
		}
		found, err := a.bus.OffsetsAt(ctx, time.UnixMicro(t), b.topic)
		if err != nil {
			return err
		}
		at = found[b.topic]
	}
	for p, log := range info.Offsets {
		if only < 0 || p == only {
			b.next[p], b.ends[p] = max(log.Start, start, at[p]), log.End
		}
	}
	return nil
}

// cursor says where each partition goes on, as "P.OFFSET,…"; nil when there is nothing more.
func (b *browse) cursor() *string {
	var parts []string
	more := false
	for _, p := range slices.Sorted(maps.Keys(b.next)) {
		parts = append(parts, strconv.Itoa(int(p))+"."+strconv.FormatInt(b.next[p], 10))
		more = more || b.next[p] < b.ends[p]
	}
	if !more {
		return nil
	}
	return cursor(strings.Join(parts, ","))
}

// resume goes on where a cursor says. What has left the log meanwhile is passed over.
func (b *browse) resume(after string) error {
	for part := range strings.SplitSeq(after, ",") {
		at, err := parsePosition(part)
		if err != nil {
			return errCursor
		}
		if next, ok := b.next[at.partition]; ok {
			b.next[at.partition] = max(next, at.offset)
		}
	}
	return nil
}

// scan reads until every partition has a page of what was asked for, is read to its end, or enough was looked at.
func (a *API) scan(asker context.Context, b *browse) (map[int32][]*bus.Message, error) {
	found := map[int32][]*bus.Message{}
	open := map[int32]int64{}
	for p, next := range b.next {
		if next < b.ends[p] {
			open[p] = next
		}
	}
	if len(open) == 0 {
		return found, nil
	}
	reader, err := a.bus.NewReader(map[string]map[int32]int64{b.topic: open}, bus.ReaderOptions{MaxBytes: 4 << 20, MaxPartitionBytes: 1 << 20, MaxMessages: 2000, Fetches: 1})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(asker, scanWithin)
	defer cancel()
	scanned, size := 0, 0
	for len(open) > 0 && scanned < maxScanned && size < maxScanBytes {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) && asker.Err() == nil { // a page that is short says where it goes on
				return found, nil
			}
			return nil, err
		}
		for _, batch := range fetch {
			if gone, ok := errors.AsType[*bus.OutOfRangeError](batch.Err); ok { // retention was here meanwhile
				b.next[gone.Partition] = min(gone.Start, b.ends[gone.Partition])
				batch.Err = reader.Seek(gone.Topic, gone.Partition, gone.Start)
			}
			if batch.Err != nil {
				return nil, batch.Err
			}
			for _, m := range batch.Messages {
				size += len(m.Key) + len(m.Value)
			}
			scanned += len(batch.Messages)
			if b.collect(found, &batch); b.next[batch.Partition] >= b.ends[batch.Partition] || len(found[batch.Partition]) >= b.limit {
				delete(open, batch.Partition)
				reader.Remove(batch.Topic, batch.Partition)
			}
		}
	}
	return found, nil
}

// collect takes what was asked for out of a batch and notes how far it was looked at.
func (b *browse) collect(found map[int32][]*bus.Message, batch *bus.PartitionBatch) {
	p := batch.Partition
	if b.next[p] >= b.ends[p] {
		return
	}
	for _, m := range batch.Messages {
		if m.Offset >= b.ends[p] || len(found[p]) >= b.limit {
			break
		}
		b.next[p] = m.Offset + 1
		if b.wants(m) {
			found[p] = append(found[p], m)
		}
	}
	if len(found[p]) < b.limit {
		b.next[p] = max(b.next[p], min(batch.Next, b.ends[p])) // over what is no message
	}
}

func (b *browse) wants(m *bus.Message) bool {
	if b.key != nil && string(m.Key) != *b.key {
		return false
	}
	if len(b.contains) > 0 && !bytes.Contains(m.Value, b.contains) {
		return false
	}
	return !b.byKind || b.decode(m) == nil && b.e.Kind == b.kind
}

func (b *browse) decode(m *bus.Message) *event.Invalid {
	return b.decoder.Decode(m.Value, bus.EventHeaders(m), &b.e)
}

// page merges what was found by time, up to the limits of a page. What does not fit is looked at again with the next one.
func (b *browse) page(found map[int32][]*bus.Message) []*bus.Message {
	var out []*bus.Message
	size := 0
	for {
		first := int32(-1)
		for p, queue := range found {
			if len(queue) > 0 && (first < 0 || queue[0].Timestamp.Before(found[first][0].Timestamp) || queue[0].Timestamp.Equal(found[first][0].Timestamp) && p < first) {
				first = p
			}
		}
		if first < 0 {
			return out
		}
		m := found[first][0]
		if size += len(m.Value); len(out) == b.limit || size > pageBytes && len(out) > 0 {
			break
		}
		out = append(out, m)
		found[first] = found[first][1:]
	}
	for p, queue := range found {
		if len(queue) > 0 {
			b.next[p] = queue[0].Offset
		}
	}
	return out
}

// show makes of a record what people and programs can read.
func (b *browse) show(m *bus.Message) Message {
	out := Message{Partition: m.Partition, Offset: m.Offset, Timestamp: event.FormatTime(m.Timestamp.UnixMicro()), Headers: []headerItem{}, Value: json.RawMessage("null")}
	if m.Key != nil {
		out.Key = new(strings.ToValidUTF8(string(m.Key), "\uFFFD"))
	}
	for _, h := range m.Headers {
		if value, stays := b.decoder.TreatedHeader(h.Key, h.Value); stays {
			out.Headers = append(out.Headers, headerItem{strings.ToValidUTF8(h.Key, "\uFFFD"), strings.ToValidUTF8(string(value), "\uFFFD")})
		}
	}
	bad := b.decode(m)
	if bad == nil {
		b.e.Complete(b.id, m.Partition, m.Offset, m.Timestamp.UnixMicro())
		out.Value = event.AppendJSON(nil, &b.e)
		return out
	}
	out.Reason = &ItemFault{bad.Code, bad.Pointer, bad.Detail}
	payload := b.decoder.Treated(m.Value)
	out.PayloadBase64 = new(base64.StdEncoding.EncodeToString(payload))
	if utf8.Valid(payload) {
		out.PayloadText = new(string(payload))
	}
	return out
}
