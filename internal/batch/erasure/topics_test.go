package erasure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

const requests = "llm-requests"

// topics is a broker with one topic of few partitions, which hxp itself is done with.
func topics(t *testing.T, name string, partitions int) *Logs {
	topic := event.Topic{Name: name, Partitions: partitions, Retention: 1}
	l := &Logs{Bus: bustest.New(t, topic), Groups: []string{"hxp-event-processing"}, Topics: func() []event.Topic { return []event.Topic{topic, {Name: "gone"}} }}
	l.needs(math.MaxInt64, math.MaxInt64)
	return l
}

// needs sets up to where hxp is done with the first partitions.
func (l *Logs) needs(at ...int64) {
	l.Needs = func(context.Context) (Needed, error) {
		return func(string, map[int32]bus.Range) map[int32]int64 {
			out := map[int32]int64{}
			for p, offset := range at {
				out[int32(p)] = offset
			}
			return out
		}, nil
	}
}

// write writes values to a partition.
func (l *Logs) write(t *testing.T, partition int32, values ...string) {
	t.Helper()
	msgs := make([]*bus.Message, len(values))
	for i, v := range values {
		msgs[i] = &bus.Message{Topic: l.Topics()[0].Name, Partition: partition, Value: []byte(v)}
	}
	l.send(t, msgs)
}

func (l *Logs) send(t *testing.T, msgs []*bus.Message) {
	t.Helper()
	out, err := l.Bus.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.Send(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
}

// shortens shortens the topic for jane.
func (l *Logs) shortens(t *testing.T, w Words, dryRun bool) *Topic {
	t.Helper()
	all, err := l.Shorten(t.Context(), []string{"jane-doe"}, w, dryRun, l.next(t, dryRun))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return &all[0]
}

// next wants each cut to be told before it is made.
func (l *Logs) next(t *testing.T, dryRun bool) func([]Topic) error {
	return func(topics []Topic) error {
		one := topics[len(topics)-1]
		logs, err := l.Bus.Offsets(t.Context(), one.Name)
		if err != nil || dryRun || one.Deleted > 0 || len(one.Cuts) == 0 || logs[one.Name][one.Cuts[0].Partition].Start != one.Cuts[0].From {
			t.Errorf("%+v is told, dry run %t, %v", one, dryRun, err)
		}
		return err
	}
}

// log is what a partition holds, as key, value and headers.
func (l *Logs) log(t *testing.T, partition int32) (start int64, records []string) {
	t.Helper()
	name := l.Topics()[0].Name
	logs, err := l.Bus.Offsets(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	span := logs[name][partition]
	err = l.Bus.Walk(t.Context(), name, map[int32]bus.Range{partition: span}, func(batch []*bus.Message) error {
		for _, m := range batch {
			records = append(records, fmt.Sprintf("%s %s %q", m.Key, m.Value, bus.EventHeaders(m)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return span.Start, records
}

func (t *Topic) is(test *testing.T, what string, found, deleted int64, cuts []Cut, held []Held) {
	test.Helper()
	if t.Found == nil || *t.Found != found || t.Deleted != deleted || fmt.Sprint(t.Cuts) != fmt.Sprint(cuts) || !slices.EqualFunc(t.Held, held, func(a, b Held) bool {
		return a.Partition == b.Partition && a.From == b.From && a.Count == b.Count && strings.Contains(a.By, b.By) && strings.Contains(a.Ends, b.Ends)
	}) {
		test.Errorf("%s: %+v, found %v\nwant found %d, deleted %d, cuts %v, held %v", what, *t, t.Found, found, deleted, cuts, held)
	}
}

// On brokers that may serve others a topic loses its beginning up to the last record of the name, and only on request.
func TestTopicsAreShortenedOnRequest(t *testing.T) {
	l := topics(t, requests, 2)
	l.write(t, 0, "jane-doe", "joe", "jane-doe", "joe")
	l.write(t, 1, "joe", "joe")
	one := l.shortens(t, Words{}, false)
	one.is(t, "without a word", 2, 0, nil, nil)
	if left := one.left(); len(left) != 1 || left[0].Count != 2 || !strings.Contains(left[0].Ends, "--topics") {
		t.Errorf("%v is left", left)
	}
	cuts := []Cut{{Partition: 0, From: 0, Before: 3}}
	one = l.shortens(t, Words{Topics: true}, true)
	one.is(t, "dry run", 2, 0, cuts, nil)
	if one.Ends != "the same request without dry_run" {
		t.Errorf("a dry run ends by %q", one.Ends)
	}
	if start, _ := l.log(t, 0); start != 0 {
		t.Errorf("the log begins at %d after a dry run", start)
	}
	one = l.shortens(t, Words{Topics: true}, false)
	one.is(t, "on request", 0, 3, cuts, nil)
	if start, records := l.log(t, 0); start != 3 || len(records) != 1 || one.left() != nil || one.Ends != "" {
		t.Errorf("the log begins at %d and holds %q, %v is left, %q ends it", start, records, one.left(), one.Ends)
	}
	if start, records := l.log(t, 1); start != 0 || len(records) != 2 {
		t.Errorf("the other log begins at %d and holds %q", start, records)
	}
	if again, err := l.Find(t.Context(), []string{"jane-doe"}); err != nil || *again[0].Found != 0 || again[0].Ends != "" {
		t.Errorf("%+v %v", again, err)
	}
}

// What went is told too when something fails behind it.
func TestTopicsTellWhatWentBeforeAFailure(t *testing.T) {
	a, b := event.Topic{Name: requests, Partitions: 1}, event.Topic{Name: event.TopicLate, Partitions: 1}
	ctx, fail := context.WithCancel(t.Context())
	l := &Logs{Bus: bustest.New(t, a, b), Topics: func() []event.Topic { return []event.Topic{a, b} }, Needs: func(context.Context) (Needed, error) {
		return func(topic string, _ map[int32]bus.Range) map[int32]int64 {
			if topic == event.TopicLate {
				fail()
			}
			return map[int32]int64{0: math.MaxInt64}
		}, nil
	}}
	l.write(t, 0, "jane-doe", "joe")
	all, err := l.Shorten(ctx, []string{"jane-doe"}, Words{Topics: true}, false, l.next(t, false))
	if !errors.Is(err, context.Canceled) || len(all) != 1 || all[0].Deleted != 1 || len(all[0].Cuts) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// What hxp itself may read again stays.
func TestTopicsKeepWhatIsNeeded(t *testing.T) {
	l := topics(t, requests, 2)
	l.write(t, 0, "jane-doe", "joe", "jane-doe", "joe")
	l.write(t, 1, "jane-doe")
	l.needs(2) // of the other partition it is not known
	held := []Held{{0, 2, 1, "hxp itself: the windows and the lake", "again"}, {1, 0, 1, "hxp itself: neither", "event-processing-api"}}
	l.shortens(t, Words{Topics: true}, true).is(t, "dry run", 3, 0, []Cut{{Before: 2}}, held)
	one := l.shortens(t, Words{Topics: true, PastGroups: true}, false)
	one.is(t, "whatever is allowed", 2, 2, []Cut{{Before: 2}}, held)
	if left := one.left(); len(left) != 2 || left[0].Where != "topic llm-requests/0 from offset 2 on" || left[0].Count != 1 {
		t.Errorf("%v is left", left)
	}
}

// What a consumer group of others has not read stays, unless the operator says so.
func TestTopicsKeepWhatGroupsHaveNotRead(t *testing.T) {
	l := topics(t, requests, 2)
	l.write(t, 0, "jane-doe", "joe", "jane-doe", "joe")
	l.write(t, 1, "jane-doe", "joe")
	for group, at := range map[string]map[int32]int64{"hxp-event-processing": {0: 0, 1: 0}, "billing": {0: 2}, "audit": {0: 1, 1: 1}, "quick": {0: 4, 1: 1}} {
		if err := l.Bus.CommitGroup(t.Context(), group, map[string]map[int32]int64{requests: at}); err != nil {
			t.Fatal(err)
		}
	}
	// billing has no position in the other partition: it begins there.
	held := []Held{{0, 1, 1, "audit, which has read up to 1, and billing, which has read up to 2", "--past-groups"}, {1, 0, 1, "billing, which has read up to 0", "--past-groups"}}
	l.shortens(t, Words{Topics: true}, true).is(t, "dry run", 3, 0, []Cut{{Before: 1}}, held)
	one := l.shortens(t, Words{Topics: true}, false)
	one.is(t, "groups in the way", 2, 1, []Cut{{Before: 1}}, held)
	if left := one.left(); len(left) != 2 || !strings.HasPrefix(left[0].Ends, "consumer group audit,") {
		t.Errorf("%v is left", left)
	}
	all := []Cut{{0, 1, 3, []string{"audit", "billing"}}, {1, 0, 1, []string{"billing"}}}
	l.shortens(t, Words{Topics: true, PastGroups: true}, true).is(t, "dry run past groups", 2, 0, all, nil)
	l.shortens(t, Words{Topics: true, PastGroups: true}, false).is(t, "past groups", 0, 3, all, nil)
}

// What hxp needs is told in offsets of the topics that there were then: of one that is made anew meanwhile nothing goes.
func TestTopicsThatAreMadeAnewMeanwhile(t *testing.T) {
	l := topics(t, requests, 1)
	l.write(t, 0, "jane-doe", "joe")
	needs := l.Needs
	l.Needs = func(ctx context.Context) (Needed, error) {
		needed, err := needs(ctx)
		if err := errors.Join(err, l.Bus.DeleteTopic(ctx, requests)); err != nil {
			return nil, err
		}
		if err := l.Bus.EnsureTopics(ctx, l.Topics()[:1]); err != nil {
			return nil, err
		}
		l.write(t, 0, "jane-doe", "joe")
		return needed, nil
	}
	all, err := l.Shorten(t.Context(), []string{"jane-doe"}, Words{Topics: true}, false, l.next(t, false))
	if err == nil || !strings.Contains(err.Error(), "made anew") || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if start, records := l.log(t, 0); start != 0 || len(records) != 2 {
		t.Errorf("from %d on %v", start, records)
	}
}

// Groups and topics may be called by whom the erasure is about: records tell them without the name.
func TestTopicsDoNotTellTheName(t *testing.T) {
	const route = "of-Jane-Doe"
	topic := event.Topic{Name: route, Partitions: 1}
	l := topics(t, requests, 1)
	if err := l.Bus.EnsureTopics(t.Context(), []event.Topic{topic}); err != nil {
		t.Fatal(err)
	}
	l.write(t, 0, "jane-doe", "jane-doe")
	l.send(t, []*bus.Message{{Topic: route, Value: []byte("jane-doe")}})
	if err := l.Bus.CommitGroup(t.Context(), "JANE-DOE-notebook", map[string]map[int32]int64{requests: {0: 1}}); err != nil {
		t.Fatal(err)
	}
	l.Topics = func() []event.Topic { return []event.Topic{topic, {Name: requests, Partitions: 1}} }
	for _, w := range []Words{{Topics: true}, {Topics: true, PastGroups: true}} {
		all, err := l.Shorten(t.Context(), []string{"jane-doe"}, w, true, nil)
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		told := fmt.Sprint(all, all[0].left(), all[1].left())
		if strings.Contains(strings.ToLower(told), "jane") || !strings.Contains(told, "<the name>-notebook") || !strings.Contains(told, "topic of-<the name>") {
			t.Error(told)
		}
	}
	if is := veiled("a-team", []string{"a"}); is != "a-team" {
		t.Error(is)
	}
}

// On the embedded broker nothing has to be asked for; it keeps the last record of a log.
func TestTopicsOfTheEmbeddedBroker(t *testing.T) {
	l := topics(t, requests, 1)
	l.Embedded = true
	l.write(t, 0, "jane-doe", "joe", "jane-doe")
	l.shortens(t, Words{}, false).is(t, "the last one", 1, 2, []Cut{{Before: 2}}, []Held{{0, 2, 1, "embedded", "another record"}})
	l.write(t, 0, "joe", "joe")
	l.needs(4)
	l.shortens(t, Words{}, false).is(t, "with others behind it", 0, 2, []Cut{{From: 2, Before: 4}}, nil) // as far as readers allow
}

// letter is a record of a dead letter.
func letter(id, payload, reason string) *bus.Message {
	d := event.DeadLetter{ID: id, Topic: requests, Partition: -1, Offset: -1, Code: "syntax", Reason: reason, Payload: []byte(payload)}
	key, value, headers := d.Record()
	return record(key, value, headers)
}

func mark(id string) *bus.Message {
	key, headers := (&event.DeadMark{ID: id, Redriven: true, Redrives: 1}).Record()
	return record(key, nil, headers)
}

func record(key, value []byte, headers []event.Header) *bus.Message {
	m := &bus.Message{Topic: event.TopicDeadLetters, Key: key, Value: value}
	for _, h := range headers {
		m.Headers = append(m.Headers, bus.Header(h))
	}
	return m
}

// Dead letters of others that lie before one of the name are written again behind it, whole and in their order.
func TestDeadLettersOfOthersStay(t *testing.T) {
	for _, embedded := range []bool{false, true} {
		l := topics(t, event.TopicDeadLetters, 1)
		l.Embedded = embedded
		l.send(t, []*bus.Message{letter("a", "joe", "r"), letter("j1", "jane-doe", "r"), mark("a"), mark("j1"), letter("b", "joe", "r"), letter("j2", "?", "not jane-doe"), letter("c", "joe", "r")})
		_, before := l.log(t, 0)
		cuts := []Cut{{Before: 6}}
		dry := l.shortens(t, Words{Topics: true}, true)
		if dry.is(t, "dry run", 2, 0, cuts, nil); dry.Moved != 3 {
			t.Errorf("%d would be written again", dry.Moved)
		}
		if _, after := l.log(t, 0); len(after) != len(before) {
			t.Errorf("a dry run wrote %q", after)
		}
		one := l.shortens(t, Words{Topics: true}, false)
		if one.is(t, "letters", 0, 6, cuts, nil); one.Moved != 3 {
			t.Errorf("%d were written again", one.Moved)
		}
		want := []string{before[6], before[0], before[2], before[4]}
		if _, after := l.log(t, 0); !slices.Equal(after, want) {
			t.Errorf("embedded %t: the topic holds\n%q\nwant\n%q", embedded, after, want)
		}
	}
}

// The last letter of the embedded broker goes too: a record that says nothing lies behind it.
func TestLastDeadLetterGoes(t *testing.T) {
	l := topics(t, event.TopicDeadLetters, 1)
	l.Embedded = true
	l.send(t, []*bus.Message{letter("j1", "jane-doe", "r")})
	l.shortens(t, Words{}, false).is(t, "the last one", 0, 1, []Cut{{Before: 1}}, nil)
	if _, after := l.log(t, 0); len(after) != 1 || !strings.HasPrefix(after[0], `j1  [{"mark" "j1"}`) {
		t.Errorf("the topic holds %q", after)
	}
}
