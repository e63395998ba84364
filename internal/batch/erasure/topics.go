package erasure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Words are what an operator allows where an erasure touches others.
type Words struct {
	Topics     bool // shorten topics on brokers that may serve others
	PastGroups bool // beyond what their consumer groups have read
}

// list is how a record tells them.
func (w Words) list() (out []string) {
	if w.Topics {
		out = append(out, "topics")
	}
	if w.PastGroups {
		out = append(out, "past_groups")
	}
	return out
}

// Topic is what was taken out of one topic.
type Topic struct {
	Name    string `json:"topic"`
	Deleted int64  `json:"deleted"`         // records, those of others among them: a log is shortened from its beginning
	Moved   int64  `json:"moved,omitempty"` // of them, dead letters of others, which lie at the end now
	Found   *int64 `json:"found"`           // records that mention the name afterwards; null when the log was too long to look through
	Ends    string `json:"ends"`            // what ends the rest; "" where nothing is found
	Cuts    []Cut  `json:"cuts,omitempty"`
	Held    []Held `json:"held,omitempty"`
}

// Cut is the beginning of a partition that went, or would go.
type Cut struct {
	Partition int32    `json:"partition"`
	From      int64    `json:"from"`                // where the log began
	Before    int64    `json:"before"`              // the offset up to which records go
	UnreadBy  []string `json:"unread_by,omitempty"` // consumer groups of others that have not read all of it
}

// Held is a partition that keeps records of the name.
type Held struct {
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`  // the offset from which on nothing goes
	Count     int64  `json:"count"` // records of the name there
	By        string `json:"by"`    // what is in the way
	Ends      string `json:"ends"`  // what ends that
}

// Logs are the topics that may hold a name. They are shortened from the front, up to behind the last record of it.
type Logs struct {
	Bus *bus.Bus
	// Topics lists them. One that does not exist is passed over.
	Topics func() []event.Topic
	// Embedded says that the broker is hxp's own: nothing has to be allowed there.
	Embedded bool
	// Groups are the consumer groups of hxp.
	Groups []string
	// Needs finds out up to where hxp's own readers are done.
	Needs func(context.Context) (Needed, error)
}

// Needed tells up to where hxp's own readers are done with a topic whose logs are these, by partition; one that is missing is not known.
type Needed func(topic string, logs map[int32]bus.Range) map[int32]int64

// Find looks through all topics for a name.
func (l *Logs) Find(ctx context.Context, names []string) ([]Topic, error) {
	return l.each(ctx, names, func(_ []Topic, t *Topic, logs map[int32]bus.Range) error {
		seen, err := l.find(ctx, t.Name, logs, textsOf(names), false)
		t.Found = seen.sum()
		return err
	})
}

// Shorten takes out of the topics what can be taken out, and tells what is left; a dry run tells what would be. Before each cut next is told of it,
// with nothing deleted yet, behind what was done: an error of it ends the work.
func (l *Logs) Shorten(ctx context.Context, names []string, w Words, dryRun bool, next func([]Topic) error) ([]Topic, error) {
	s := shortening{Logs: l, names: names, texts: textsOf(names), patient: w.Topics, past: w.PastGroups || l.Embedded, dryRun: dryRun, next: next}
	if err := s.begin(ctx, w); err != nil {
		return []Topic{}, err
	}
	return l.each(ctx, names, func(before []Topic, t *Topic, logs map[int32]bus.Range) error {
		switch {
		case !shortened(t.Name):
		case w.Topics || l.Embedded:
			return s.shorten(ctx, before, t, logs)
		default:
			t.Ends = "hxp erase --topics (\"topics\": true), which shortens topics of brokers that may serve others; or " + t.Ends
		}
		seen, err := l.find(ctx, t.Name, logs, s.texts, false)
		t.Found = seen.sum()
		return err
	})
}

// each does fn with each topic and what was told of those before. What was deleted before something fails is told with the error.
func (l *Logs) each(ctx context.Context, names []string, fn func(before []Topic, t *Topic, logs map[int32]bus.Range) error) ([]Topic, error) {
	out := []Topic{}
	for _, topic := range l.Topics() {
		t := Topic{Name: topic.Name, Ends: ends(topic)}
		logs, err := l.Bus.Offsets(ctx, t.Name)
		if errors.Is(err, bus.ErrUnknownTopic) || err == nil && logs[t.Name] == nil {
			continue // a route to a topic that was deleted
		}
		if err == nil {
			err = fn(out, &t, logs[t.Name])
		}
		if t.Found != nil && *t.Found == 0 {
			t.Ends = ""
		}
		t.Name = veiled(t.Name, names)
		if err == nil || t.Deleted > 0 {
			out = append(out, t)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// shortened are the topics whose front can go: the lake has the events of the inputs, what is joined stands in snapshots, and dead letters that
// lie before those of the name are written again behind them. The history of alerts is read from its topic, and the others are logs of what
// was done: they leave by their age.
func shortened(topic string) bool {
	_, input := event.KindOfTopic(topic)
	return input || slices.Contains([]string{event.TopicLate, event.TopicJoins, event.TopicCorrelations, event.TopicDeadLetters}, topic)
}

// ends says when a topic loses what it has.
func ends(t event.Topic) string {
	switch {
	case t.Retention == 0:
		return "whoever shortens or deletes the topic; it has no retention of hxp's"
	case shortened(t.Name):
		return fmt.Sprintf("the retention of the topic, %s unless it was set to another (retention.ms)", t.Retention)
	}
	return fmt.Sprintf("the retention of the topic, %s unless it was set to another (retention.ms): it is read from its beginning, and not shortened", t.Retention)
}

// shortening is one erasure in the topics.
type shortening struct {
	*Logs
	names   []string
	texts   [][]byte
	patient bool // looks however long that takes
	past    bool
	dryRun  bool
	groups  []bus.GroupInfo // of others
	blind   bool            // there may be more of them
	shapes  map[string]bus.Shape
	needed  Needed // by hxp itself, of the topics that have these shapes
	next    func([]Topic) error
}

// begin finds out who may read what is to go.
func (s *shortening) begin(ctx context.Context, w Words) (err error) {
	if w.Topics && !s.Embedded {
		err = s.lookAtGroups(ctx)
	}
	if err != nil || !w.Topics && !s.Embedded {
		return err
	}
	var names []string
	for _, t := range s.Topics() {
		names = append(names, t.Name)
	}
	if s.shapes, err = s.Bus.Shapes(ctx, names...); err == nil {
		s.needed, err = s.Needs(ctx)
	}
	return err
}

// unchanged is an error where a topic was made anew since the work began: what is needed was told in offsets of the one before.
func (s *shortening) unchanged(ctx context.Context, topic string) error {
	now, err := s.Bus.Shapes(ctx, topic)
	if err == nil && now[topic].ID != s.shapes[topic].ID {
		err = fmt.Errorf("topic %s was made anew meanwhile", topic)
	}
	return err
}

// lookAtGroups finds the consumer groups of others, under names that records may have.
func (s *shortening) lookAtGroups(ctx context.Context) error {
	sees, err := s.Bus.SeesGroups(ctx)
	if err != nil {
		return err
	}
	s.groups, err = s.Bus.Groups(ctx)
	s.groups = slices.DeleteFunc(s.groups, func(g bus.GroupInfo) bool { return slices.Contains(s.Groups, g.ID) })
	for i := range s.groups {
		s.groups[i].ID = veiled(s.groups[i].ID, s.names)
	}
	if s.blind = !sees; errors.Is(err, bus.ErrAccess) {
		s.blind, err = true, nil
	}
	return err
}

// veiled is what a topic or a consumer group is called where names may not stand: its owner may have made it for whom the erasure is about. Short
// names stand in many words.
func veiled(called string, names []string) string {
	for _, name := range names {
		if len(name)+len(`""`) >= shortName {
			called = regexp.MustCompile("(?i)"+regexp.QuoteMeta(name)).ReplaceAllLiteralString(called, "<the name>")
		}
	}
	return called
}

// shorten carries one topic out.
func (s *shortening) shorten(ctx context.Context, before []Topic, t *Topic, logs map[int32]bus.Range) error {
	t.Ends = "the same request again: these records came meanwhile"
	if s.dryRun {
		t.Ends = "the same request without dry_run"
	}
	seen, err := s.find(ctx, t.Name, logs, s.texts, s.patient)
	if err != nil {
		return err
	}
	if seen == nil {
		t.Ends = "hxp erase --topics (\"topics\": true), which looks through the topic however long that takes"
	}
	if err := s.plan(ctx, t, logs, seen); err != nil {
		return err
	}
	if t.Found = seen.sum(); s.dryRun {
		if t.Name == event.TopicDeadLetters {
			t.Moved, err = s.carry(ctx, t)
		}
		return errors.Join(err, s.countHeld(ctx, t, logs))
	}
	if len(t.Cuts) > 0 {
		if err := s.unchanged(ctx, t.Name); err != nil {
			return err
		}
		if err := s.next(append(slices.Clone(before), *t)); err != nil {
			return err
		}
	}
	after, err := s.cut(ctx, t, logs)
	if err != nil {
		return err
	}
	if seen, err = s.find(ctx, t.Name, after, s.texts, s.patient); err != nil {
		return err
	}
	t.Found = seen.sum()
	for i := range t.Held {
		t.Held[i].Count = seen[t.Held[i].Partition].records
	}
	return nil
}

// plan says what goes of a topic, and what keeps the rest.
func (s *shortening) plan(ctx context.Context, t *Topic, logs map[int32]bus.Range, seen sightings) error {
	needed := s.needed(t.Name, logs)
	no, err := s.barred(ctx, t.Name, seen)
	if err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(logs)) {
		log, last := logs[p], int64(-1)
		if of, ok := seen[p]; ok {
			last = of.last
		}
		cut, held := Cut{Partition: p, From: log.Start, Before: s.upTo(t.Name, log, last)}, Held{Partition: p}
		limit := func(at int64, by, ends string) {
			if at < cut.Before {
				cut.Before = max(at, log.Start)
				held.By, held.Ends = by, ends
			}
		}
		// Of what stands in the way equally the first is told: what somebody has to do comes before what passes.
		if no != nil {
			limit(log.Start, no.By, no.Ends)
		}
		if !s.past {
			s.limitByGroups(t.Name, log, cut, limit)
		}
		if at, known := needed[p]; known {
			limit(at, "hxp itself: the windows and the lake may read it again", "the same request again some minutes later, when more events have come and event-processing-api runs and has counted them")
		} else {
			limit(log.Start, "hxp itself: neither the windows nor the lake have told yet what they would read again", "the same request again when event-processing-api and batch-processing-api have run for some minutes and more events have come")
		}
		limit(s.lastRecord(t.Name, log), "the embedded broker, which keeps the last record of a log", "the same request again when another record has come")
		if s.past {
			cut.UnreadBy, _ = s.unread(t.Name, log, cut)
		}
		if cut.Before > cut.From {
			t.Cuts = append(t.Cuts, cut)
		}
		if held.From = cut.Before; last >= held.From {
			t.Held = append(t.Held, held)
		}
	}
	return nil
}

// upTo is before where a partition is to be cut. On the embedded broker inputs are cut to what readers still need: records that name nobody and
// speak of a request of the name go with it.
func (s *shortening) upTo(topic string, log bus.Range, last int64) int64 {
	if _, input := event.KindOfTopic(topic); s.Embedded && (input || topic == event.TopicLate) {
		return log.End
	}
	return last + 1
}

// lastRecord is what the embedded broker keeps of a log; behind dead letters one is written.
func (s *shortening) lastRecord(topic string, log bus.Range) int64 {
	if s.Embedded && topic != event.TopicDeadLetters {
		return log.End - 1
	}
	return log.End
}

// limitByGroups keeps what consumer groups of others have not read.
func (s *shortening) limitByGroups(topic string, log bus.Range, cut Cut, limit func(at int64, by, ends string)) {
	if s.blind {
		limit(log.Start, "consumer groups of others, which hxp may not see", "Describe for the user of hxp on the cluster and on the groups (docs/runbooks/kafka.md); or "+pastGroups+", if no group needs them")
	}
	ids, at := s.unread(topic, log, cut)
	for i := range ids {
		ids[i] += fmt.Sprintf(", which has read up to %d", at[i])
	}
	if len(ids) > 0 {
		limit(slices.Min(at), "consumer group "+strings.Join(ids, ", and "), "the same request again when they have read on; or "+pastGroups+", if they do not need them")
	}
}

// unread are the consumer groups of others that have not read all of a cut, and where they stand. One that reads a topic and has no position in a
// partition of it begins there.
func (s *shortening) unread(topic string, log bus.Range, cut Cut) (ids []string, positions []int64) {
	for _, g := range s.groups {
		at, reads := log.Start, false
		for _, p := range g.Partitions {
			if reads = reads || p.Topic == topic; p.Topic == topic && p.Partition == cut.Partition && p.Position >= 0 {
				at = max(p.Position, log.Start)
			}
		}
		if reads && at < cut.Before {
			ids, positions = append(ids, g.ID), append(positions, at)
		}
	}
	return ids, positions
}

// pastGroups is how the second word is said.
const pastGroups = "hxp erase --topics --past-groups (\"past_groups\": true)"

// barred says why the brokers delete nothing of a topic, nil when they do.
func (s *shortening) barred(ctx context.Context, topic string, seen sightings) (*Held, error) {
	if s.Embedded || seen.none() {
		return nil, nil
	}
	info, err := s.Bus.Describe(ctx, topic)
	if err != nil || len(info) == 0 {
		return nil, err
	}
	if policy := info[0].Configs["cleanup.policy"]; policy != "" && !strings.Contains(policy, "delete") {
		return &Held{By: "the brokers: cleanup.policy=" + policy + " lets nobody delete the front of the topic", Ends: "hxp topics alter " + topic + " --set cleanup.policy=delete, and the same request again"}, nil
	}
	err = s.Bus.MayDelete(ctx, topic)
	return refusal(err), unless(bus.ErrAccess, err)
}

// refusal is a no of the brokers, nil when err is none.
func refusal(err error) *Held {
	no, is := errors.AsType[*bus.RefusedError](err)
	switch {
	case is:
		return &Held{By: "the brokers: " + no.Detail, Ends: "whoever runs them; then the same request again"}
	case errors.Is(err, bus.ErrAccess):
		return &Held{By: "the brokers: " + err.Error(), Ends: "the right; then the same request again"}
	}
	return nil
}

func unless(kind, err error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// cut deletes what the plan says, and returns the bounds of the logs after it. A no of the brokers is noted.
func (s *shortening) cut(ctx context.Context, t *Topic, logs map[int32]bus.Range) (map[int32]bus.Range, error) {
	var err error
	if t.Name == event.TopicDeadLetters {
		t.Moved, err = s.carry(ctx, t)
	}
	if err == nil {
		before := map[int32]int64{}
		for _, c := range t.Cuts {
			before[c.Partition] = c.Before
		}
		err = s.Bus.DeleteRecords(ctx, t.Name, before)
	}
	no := refusal(err)
	if err != nil && no == nil {
		return nil, err
	}
	all, err := s.Bus.Offsets(ctx, t.Name)
	if err != nil {
		return nil, err
	}
	t.Cuts = slices.DeleteFunc(t.Cuts, func(c Cut) bool {
		start := all[t.Name][c.Partition].Start
		t.Deleted += max(min(start, c.Before)-c.From, 0)
		if start >= c.Before || no == nil {
			return false
		}
		t.Held = slices.DeleteFunc(t.Held, func(h Held) bool { return h.Partition == c.Partition })
		t.Held = append(t.Held, Held{Partition: c.Partition, From: start, By: no.By, Ends: no.Ends})
		return true
	})
	return all[t.Name], nil
}

// countHeld counts what a dry run would leave behind its cuts.
func (s *shortening) countHeld(ctx context.Context, t *Topic, logs map[int32]bus.Range) error {
	spans := map[int32]bus.Range{}
	for _, h := range t.Held {
		spans[h.Partition] = bus.Range{Start: h.From, End: logs[h.Partition].End}
	}
	seen, err := s.find(ctx, t.Name, spans, s.texts, s.patient)
	for i := range t.Held {
		t.Held[i].Count = seen[t.Held[i].Partition].records
	}
	return err
}

// left says what the look afterwards has found in a topic.
func (t *Topic) left() (out []Left) {
	if t.Found == nil {
		return []Left{{"topic " + t.Name, -1, t.Ends}}
	}
	rest := *t.Found
	for _, h := range t.Held {
		if h.Count > 0 {
			out = append(out, Left{fmt.Sprintf("topic %s/%d from offset %d on", t.Name, h.Partition, h.From), h.Count, h.By + ": " + h.Ends})
			rest -= h.Count
		}
	}
	if rest > 0 {
		out = append(out, Left{"topic " + t.Name, rest, t.Ends})
	}
	return out
}
