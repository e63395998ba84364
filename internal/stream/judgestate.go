package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// The state of the judge lies in <state>/_state/rules/<number>, the two newest. A restart takes the newest that is whole and
// merges the units that the journal has behind it; what is decided again thereby is known from hxp-alerts.

// places say which units the judge has merged.
type places struct {
	journal string // id; offsets of another one mean nothing
	parts   map[int32]place
	chains  map[source]int64 // up to where each input partition is merged
}

// place is where the judge is in a partition of the journal.
type place struct {
	seen   int64 // units that end before are merged
	resume int64 // where to read on
}

func newPlaces() places { return places{parts: map[int32]place{}, chains: map[source]int64{}} }

// take notes a unit, and tells whether it is new.
func (p *places) take(m *merge) bool {
	if m.journal != p.journal {
		p.journal, p.parts = m.journal, map[int32]place{}
	}
	if m.offset < p.parts[m.partition].seen {
		return false
	}
	p.parts[m.partition] = place{m.offset + 1, m.resume}
	p.chains[m.source] = m.to
	return true
}

const (
	judgeMagic = "HXPJ"
	judgeVer   = 2
	verBefore  = 1 // has no watcher
)

// encode is the judge's state.
func (j *judge) encode() ([]byte, error) {
	open, err := json.Marshal(j.alerts.opened())
	if err != nil {
		return nil, err
	}
	b := append([]byte(judgeMagic), judgeVer)
	b = appendText(b, j.places.journal)
	b = binary.AppendUvarint(b, uint64(len(j.places.parts)))
	for p, at := range j.places.parts {
		b = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(b, int64(p)), at.seen), at.resume)
	}
	b = binary.AppendUvarint(b, uint64(len(j.places.chains)))
	for src, to := range j.places.chains {
		b = binary.AppendVarint(appendSource(b, src), to)
	}
	b = appendText(b, j.alerts.topic)
	b = binary.AppendUvarint(b, uint64(len(j.alerts.next)))
	for p, next := range j.alerts.next {
		b = binary.AppendVarint(binary.AppendVarint(b, int64(p)), next)
	}
	b = appendBytes(b, open)
	b = appendBytes(b, j.engine.Export())
	b = j.outlook.append(b)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// load fills a judge that has merged nothing.
func (j *judge) load(data []byte) error {
	if len(data) < sha256.Size {
		return errShort
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if have := sha256.Sum256(body); !bytes.Equal(have[:], sum) {
		return errors.New("checksum does not match")
	}
	d := decoder{src: body}
	magic, version := string(d.bytes(4)), d.byte()
	if magic != judgeMagic || version != judgeVer && version != verBefore {
		return errors.New("not a state of rules of this version")
	}
	at, next := d.places(), map[int32]int64{}
	topic := d.text()
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		p := int32(d.varint())
		next[p] = d.varint()
	}
	var open []*rule.Decision
	if text := d.section(); d.err == nil {
		d.err = json.Unmarshal(text, &open)
	}
	if engine := d.section(); d.err == nil {
		d.err = j.engine.Import(engine)
	}
	if d.err != nil {
		return d.err
	}
	j.watchOn(&d, version)
	j.places, j.alerts.topic, j.alerts.next = at, topic, next
	for _, decision := range open {
		j.alerts.note(decision)
		if decision.Rule == AnomalyRule {
			j.shown[decision.ID] = illustration{decision.RequestIDs, decision.Top}
		}
	}
	return nil
}

// watchOn goes on with the watcher of a state. One that this program cannot read, because it watches other things, begins anew: the rules
// are not to suffer from that.
func (j *judge) watchOn(d *decoder, version byte) {
	if version == verBefore {
		return
	}
	l := d.outlook()
	if d.err != nil {
		j.log.Warn("state of the watcher is not usable, it learns anew", "error", d.err)
		return
	}
	j.outlook = l
	for _, a := range l.watcher.Open() {
		open := j.cfg.decided(a, newArrived(0))
		j.unusual[seriesOf(&open)] = &open
	}
}

// begin takes up what was before: the newest state, what hxp-alerts says since, and what the journal has up to where the
// lanes begin. Without a state, as when all that there was before was killed in its first second, that is all that the journal has.
func (j *judge) begin(ctx context.Context, journal bus.Shape, lanes []*lane, logs map[int32]bus.Range) error {
	j.restore()
	if err := j.readAlerts(ctx); err != nil {
		return fmt.Errorf("%s: %w", event.TopicAlerts, err)
	}
	j.alerts.early = early{left: j.alerts.opened(), last: j.alerts.latest()}
	j.telling, _ = j.duties.wants(tellerNumber)
	if j.places.journal == "" {
		j.places.journal = journal.ID
	}
	if j.places.journal != journal.ID {
		return nil
	}
	for _, l := range lanes {
		from, to := j.places.parts[l.number].resume, l.journal.next
		if start := logs[l.number].Start; from < start && from < to {
			j.log.Error("the journal does not reach back to the state of the rules: they have not seen everything", "partition", l.number, "state", from, "journal_start", start)
			from = start
		}
		if from >= to {
			continue
		}
		if err := j.readJournal(ctx, l.number, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) dir() string { return filepath.Join(j.opts.StateDir, "_state", "rules") }

// restore takes the newest state that is whole.
func (j *judge) restore() {
	j.saver.goOn(j.dir())
	numbers, err := snapshotOffsets(j.dir())
	if err != nil {
		j.log.Error("states of the rules cannot be listed", "dir", j.dir(), "error", err)
	}
	for _, n := range numbers {
		data, err := os.ReadFile(j.saver.path(j.dir(), n))
		if err == nil {
			err = j.load(data)
		}
		if err == nil {
			j.saver.kept(n, j.places)
			return
		}
		j.log.Error("state of the rules is not usable, trying the one before", "number", n, "error", err)
	}
}

// readAlerts reads what hxp-alerts has that is not known yet.
func (j *judge) readAlerts(ctx context.Context) error {
	shapes, err := j.bus.Shapes(ctx, event.TopicAlerts)
	if err != nil || shapes[event.TopicAlerts].ID == "" {
		return err
	}
	if id := shapes[event.TopicAlerts].ID; id != j.alerts.topic {
		j.alerts.topic, j.alerts.next = id, map[int32]int64{}
	}
	logs, err := j.bus.Offsets(ctx, event.TopicAlerts)
	if err != nil {
		return err
	}
	from, left := map[int32]int64{}, map[int32]int64{}
	for p, log := range logs[event.TopicAlerts] {
		from[p] = max(j.alerts.next[p], log.Start)
		if from[p] < log.End {
			left[p] = log.End
		}
		j.alerts.next[p] = log.End
	}
	maps.DeleteFunc(from, func(p int32, _ int64) bool { return left[p] == 0 })
	now := time.Now()
	return j.read(ctx, event.TopicAlerts, from, left, func(m *bus.Message) {
		if d := j.alerts.parse(m.Value, now); d != nil {
			j.alerts.record(d)
		}
	})
}

// read shows the messages from some offsets up to others.
func (j *judge) read(ctx context.Context, topic string, from, to map[int32]int64, show func(*bus.Message)) error {
	if len(to) == 0 {
		return nil
	}
	r, err := j.bus.NewReader(map[string]map[int32]int64{topic: from}, bus.ReaderOptions{})
	if err != nil {
		return err
	}
	defer r.Close()
	for len(to) > 0 {
		fetch, err := r.Poll(ctx)
		if err != nil {
			return err
		}
		for _, b := range fetch {
			if b.Err != nil {
				return fmt.Errorf("%s/%d cannot be read: %w", topic, b.Partition, b.Err)
			}
			for _, m := range b.Messages {
				if m.Offset < to[b.Partition] {
					show(m)
				}
			}
			if b.Next >= to[b.Partition] {
				delete(to, b.Partition)
			}
		}
	}
	return nil
}

// readJournal merges the units of a partition of the journal that count and are new.
func (j *judge) readJournal(ctx context.Context, partition int32, from, to int64) error {
	read := newJournal()
	for src, at := range j.places.chains {
		read.chains[src] = &chain{To: at}
	}
	seen := j.places.parts[partition].seen
	return j.read(ctx, event.TopicPanes, map[int32]int64{partition: from}, map[int32]int64{partition: to}, func(m *bus.Message) {
		v, err := read.read(m.Offset, m.Value)
		if err != nil || v == nil || !v.counted || m.Offset < seen {
			return // lanes tell of what is damaged
		}
		j.merge(merge{journal: j.places.journal, partition: partition, offset: m.Offset, resume: read.resume(), source: v.header.Source, to: v.header.To, records: v.header.Tally.Records, after: v.after, blocks: j.blocks(v), arrived: gathered(v)})
	})
}

// save keeps the state, when it is time or the last one, and when all that was decided is written. What is in the backlog is in
// no state: the journal has it. Before the engine has come past what hxp-alerts said at the start, the state of before is the
// better one: with it that is read again.
func (j *judge) save(last bool) {
	if !j.taken || !j.telling || len(j.backlog.units) > 0 || !last && time.Since(j.saver.last) < j.cfg.SnapshotEvery || !j.alerts.settled() || len(j.places.parts) == 0 {
		return
	}
	data, err := j.encode()
	if err != nil {
		j.log.Error("state of the rules cannot be written", "error", err)
		return
	}
	j.saver.save(j.Service, j.dir(), data, j.places)
}

// saver writes states of the judge beside its work, one at a time.
type saver struct {
	last   time.Time
	number int64
	work   sync.WaitGroup

	mu      sync.Mutex
	writing bool
	resumes []map[int32]int64 // of the states that are kept, newest first
	journal string
}

func (s *saver) path(dir string, number int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d", number))
}

func (s *saver) wait() { s.work.Wait() }

// kept notes a state that is on the disk.
func (s *saver) kept(number int64, at places) {
	resume := map[int32]int64{}
	for p, place := range at.parts {
		resume[p] = place.resume
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number = max(s.number, number)
	if s.journal != at.journal {
		s.journal, s.resumes = at.journal, nil
	}
	s.resumes = append([]map[int32]int64{resume}, s.resumes[:min(len(s.resumes), keptSnapshots-1)]...)
}

// goOn counts on from the states that are kept, be it by another instance.
func (s *saver) goOn(dir string) {
	numbers, err := snapshotOffsets(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && len(numbers) > 0 {
		s.number = max(s.number, numbers[0])
	}
}

// floor is the lowest offset of a partition of the journal that a judge's start may need, be it on another instance; most when none
// may.
func (j *judge) floor(journal string, partition int32, most int64) int64 {
	if tells, _ := j.duties.wants(tellerNumber); tells {
		return j.saver.floor(journal, partition)
	}
	numbers, _ := snapshotOffsets(j.dir()) // what cannot be read needs nothing
	for _, n := range numbers {
		if at, err := readPlaces(j.saver.path(j.dir(), n)); err == nil && at.journal == journal {
			most = min(most, at.parts[partition].resume)
		}
	}
	return most
}

// readPlaces reads how far a state of the rules goes.
func readPlaces(path string) (places, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return places{}, err
	}
	d := decoder{src: data}
	if magic, version := string(d.bytes(4)), d.byte(); magic != judgeMagic || version != judgeVer && version != verBefore {
		return places{}, errors.New("not a state of rules of this version")
	}
	at := d.places()
	return at, d.err
}

// places reads which units a state covers.
func (d *decoder) places() places {
	at := newPlaces()
	at.journal = d.text()
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		p := int32(d.varint())
		at.parts[p] = place{d.varint(), d.varint()}
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		src := d.source()
		at.chains[src] = d.varint()
	}
	return at
}

// floor is the lowest offset of a partition of the journal that a restart may need.
func (s *saver) floor(journal string, partition int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if journal != s.journal || len(s.resumes) == 0 {
		return 0
	}
	return s.resumes[len(s.resumes)-1][partition]
}

func (s *saver) save(of *Service, dir string, data []byte, at places) {
	s.mu.Lock()
	busy := s.writing
	s.writing = true
	s.mu.Unlock()
	if busy {
		return
	}
	s.last = time.Now()
	at.parts = maps.Clone(at.parts)
	number := s.number + 1
	s.work.Go(func() {
		err := s.write(dir, number, data)
		if err == nil {
			s.kept(number, at)
		} else {
			of.log.Error("state of the rules not written", "error", err)
		}
		s.mu.Lock()
		s.writing = false
		s.mu.Unlock()
	})
}

// write puts a state on the disk and removes those that are superfluous.
func (s *saver) write(dir string, number int64, data []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(s.path(dir, number)); err == nil {
		return fmt.Errorf("state %d is there already: another instance tells and keeps them, this one was asleep", number)
	}
	if err := atomicfile.Write(s.path(dir, number), data); err != nil {
		return err
	}
	numbers, err := snapshotOffsets(dir)
	if err != nil {
		return err
	}
	for _, old := range numbers[min(len(numbers), keptSnapshots):] {
		_ = os.Remove(s.path(dir, old))
	}
	return nil
}
