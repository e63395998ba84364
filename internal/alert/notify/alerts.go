package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// reach is how far in the past the topic is read the first time: who begins to be told is not told of what was long ago.
const reach = 10 * time.Minute

// position is how far hxp-alerts was read.
type position struct {
	Topic string          `json:"topic"` // id
	Next  map[int32]int64 `json:"next"`
}

// readAlerts takes in the decisions of hxp-alerts while this instance is the owner. Alerts and the position behind them are stored
// together, so that none is lost and none counts twice.
func (s *Service) readAlerts(ctx context.Context, fence int64) {
	for ctx.Err() == nil {
		err := s.readTopic(ctx, fence)
		if ctx.Err() != nil || errors.Is(err, event.ErrNotOwner) {
			return
		}
		s.log.Debug("hxp-alerts is read again", "reason", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (s *Service) readTopic(ctx context.Context, fence int64) error {
	at, jumped, err := s.readFrom(ctx)
	if err != nil {
		return err
	}
	if jumped { // counted once
		if err := s.save(ctx, fence, core.Put(core.KindPosition, event.TopicAlerts, at)); err != nil {
			return err
		}
	}
	reader, err := s.o.Bus.NewReader(map[string]map[int32]int64{event.TopicAlerts: at.Next}, bus.ReaderOptions{MaxBytes: 4 << 20, MaxPartitionBytes: 1 << 20})
	if err != nil {
		return err
	}
	defer reader.Close()
	for looked := time.Now(); ; {
		if err := s.readOn(ctx, fence, reader, &at); err != nil {
			return err
		}
		if time.Since(looked) > time.Minute {
			looked = time.Now()
			if shapes, err := s.o.Bus.Shapes(ctx, event.TopicAlerts); err == nil && (shapes[event.TopicAlerts].ID != at.Topic || shapes[event.TopicAlerts].Partitions != len(at.Next)) {
				return fmt.Errorf("%s has another shape", event.TopicAlerts)
			}
		}
	}
}

// readOn takes in what comes next.
func (s *Service) readOn(ctx context.Context, fence int64, reader *bus.Reader, at *position) error {
	round, stop := context.WithTimeout(ctx, 5*time.Second)
	fetch, err := reader.Poll(round)
	stop()
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	var alerts []core.Alert
	moved := false
	for i := range fetch {
		b := &fetch[i]
		for _, m := range b.Messages {
			alerts = s.decision(alerts, m)
		}
		moved = moved || len(b.Messages) > 0
		if b.Next > at.Next[b.Partition] {
			at.Next[b.Partition] = b.Next
		}
		if gone, ok := errors.AsType[*bus.OutOfRangeError](b.Err); ok {
			at.Next[b.Partition] = s.passOver(b.Partition, gone.Offset, gone.Start, gone.End)
			if err := reader.Seek(b.Topic, b.Partition, at.Next[b.Partition]); err != nil { // the reader left the partition alone
				return err
			}
			moved = true
		} else if b.Err != nil {
			return b.Err
		}
	}
	if !moved {
		return nil
	}
	if err := s.take(ctx, fence, alerts, core.Put(core.KindPosition, event.TopicAlerts, at)); !errors.Is(err, errFull) {
		return err
	}
	s.log.Error("alerts of hxp are passed over, because too many are known", "alerts", most.Alerts, "bytes", most.Bytes)
	return nil
}

// passOver is where a partition goes on of which records were removed before they were read, or whose log was cut.
func (s *Service) passOver(partition int32, offset, start, end int64) (next int64) {
	next = min(max(offset, start), end)
	if next != offset {
		s.metrics.gone.Add(float64(max(next-offset, 0)))
		s.log.Error("hxp-alerts goes on elsewhere: records were removed before they were read, or the log was cut", "partition", partition, "offset", offset, "start", start, "end", end)
	}
	return next
}

// readFrom is where to go on: where the last owner stopped, a little in the past the first time, and at the start of what is new. jumped says that
// there it cannot go on.
func (s *Service) readFrom(ctx context.Context) (at position, jumped bool, err error) {
	shapes, err := s.o.Bus.Shapes(ctx, event.TopicAlerts)
	if err != nil {
		return at, false, err
	}
	shape := shapes[event.TopicAlerts]
	docs, _, err := s.o.Store.Notifications(ctx, 0)
	if err != nil {
		return at, false, err
	}
	for _, d := range docs {
		if d.Kind == core.KindPosition && d.ID == event.TopicAlerts {
			if err := json.Unmarshal(d.Body, &at); err != nil {
				return at, false, err
			}
		}
	}
	bounds, err := s.o.Bus.Offsets(ctx, event.TopicAlerts)
	if err != nil {
		return at, false, err
	}
	first := at.Next == nil
	if at.Topic != shape.ID {
		at = position{Topic: shape.ID, Next: map[int32]int64{}}
	}
	var past map[string]map[int32]int64
	if first {
		if past, err = s.o.Bus.OffsetsAt(ctx, time.Now().Add(-reach), event.TopicAlerts); err != nil {
			return at, false, err
		}
	}
	for p := range int32(shape.Partitions) {
		log, ok := bounds[event.TopicAlerts][p]
		if !ok {
			return at, false, fmt.Errorf("%s/%d has no leader now", event.TopicAlerts, p)
		}
		next, known := at.Next[p]
		switch {
		case first:
			at.Next[p] = min(max(past[event.TopicAlerts][p], log.Start), log.End)
		case !known:
			at.Next[p] = log.Start
		default:
			at.Next[p] = s.passOver(p, next, log.Start, log.End)
			jumped = jumped || at.Next[p] != next
		}
	}
	return at, jumped, nil
}

// record is what a record of hxp-alerts says, as far as people are told.
type record struct {
	ID          string            `json:"id"`
	Rule        string            `json:"rule"`
	State       string            `json:"state"`
	Severity    string            `json:"severity"`
	Class       string            `json:"class"`
	Key         json.RawMessage   `json:"key"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"starts_at"`
	EndsAt      *time.Time        `json:"ends_at"`
	At          time.Time         `json:"at"`
	Value       *float64          `json:"value"`
	Threshold   *float64          `json:"threshold"`
	Once        bool              `json:"once"` // people are told once that it is so, and of no end
}

const maxRecord = 256 << 10

// decision adds the alert of a record, if it is one.
func (s *Service) decision(alerts []core.Alert, m *bus.Message) []core.Alert {
	a, ok, err := alertOf(m.Value, m.Timestamp, s.o.Clock.Now(), s.cfg.Load().ExternalURL)
	if err != nil {
		s.metrics.unread.Inc()
		s.log.Error("record of hxp-alerts cannot be read, passed over", "partition", m.Partition, "offset", m.Offset, "error", err)
	}
	if !ok {
		return alerts
	}
	s.traces.note(&a, m)
	return append(alerts, a)
}

// alertOf reads a record. What is only pending, or lapsed before it fired, is nothing to tell; but as lapsed, which is no alert to anybody
// else, comes also what people are to be told once.
func alertOf(value []byte, written, now time.Time, page string) (a core.Alert, ok bool, err error) {
	if len(value) > maxRecord {
		return a, false, fmt.Errorf("it has %d bytes; at most %d are read", len(value), maxRecord)
	}
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return a, false, fmt.Errorf("it is no decision: %w", err)
	}
	switch {
	case r.ID == "" || r.Rule == "" || r.StartsAt.IsZero():
		return a, false, errors.New("it has no id, rule or starts_at")
	case r.Once && r.State != "firing" && r.State != "lapsed", !r.Once && r.State != "firing" && r.State != "resolved":
		return a, false, nil
	}
	started, err := core.UTC(r.StartsAt)
	if err != nil {
		return a, false, fmt.Errorf("starts_at: %w", err)
	}
	labels := label.Set{}
	maps.Copy(labels, r.Labels)
	var key map[string]string
	if json.Unmarshal(r.Key, &key) == nil {
		maps.Copy(labels, key)
	}
	labels["alertname"], labels["severity"], labels["class"] = r.Rule, r.Severity, r.Class
	annotations := label.Set{}
	maps.Copy(annotations, r.Annotations)
	for name, v := range map[string]*float64{"value": r.Value, "threshold": r.Threshold} {
		if v != nil && annotations[name] == "" {
			annotations[name] = strconv.FormatFloat(*v, 'g', 6, 64)
		}
	}
	a = core.Alert{Labels: labels.WithoutEmpty(), Annotations: annotations.WithoutEmpty(), StartsAt: started, UpdatedAt: now.UTC(), Since: now.UTC(), Source: core.FromHxp, Episode: r.ID, GeneratorURL: page}
	a.Annotations.Shorten(core.MaxBytes - a.Labels.Size())
	for _, set := range []label.Set{a.Labels, a.Annotations} {
		if name, err := set.Check(); err != nil {
			return a, false, fmt.Errorf("label or annotation %.60q: %w", name, err)
		}
	}
	if a.Once = r.Once; a.Once {
		a.EndsAt = now.Add(core.OnceFor).UTC()
	}
	if r.State == "resolved" {
		end := r.At
		if r.EndsAt != nil {
			end = *r.EndsAt
		}
		if end.IsZero() {
			end = written
		}
		if end.After(now) {
			end = now
		}
		if a.EndsAt, err = core.UTC(end); err != nil {
			return a, false, fmt.Errorf("ends_at: %w", err)
		}
	}
	return a, true, nil
}
