package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"

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

// judgeState is the judge's state at one moment. What the rules know, which is most of it, is written piece by piece while the judge works on.
type judgeState struct {
	head, tail []byte // what stands before and behind that
	rules      *rule.Export
	places     places
}

// state begins the judge's state.
func (j *judge) state() (*judgeState, error) {
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
	at := j.places
	at.parts = maps.Clone(at.parts)
	return &judgeState{b, j.outlook.append(nil), j.engine.Export(), at}, nil
}

// write writes a state that is whole, and lets it go.
func (s *judgeState) write(w io.Writer) error {
	sum, size := sha256.New(), 0
	for _, piece := range s.rules.Pieces {
		size += len(piece)
	}
	both := io.MultiWriter(w, sum)
	if _, err := both.Write(binary.AppendUvarint(s.head, uint64(size))); err != nil {
		return err
	}
	for i, piece := range s.rules.Pieces {
		if _, err := both.Write(piece); err != nil {
			return err
		}
		s.rules.Pieces[i] = nil
	}
	if _, err := both.Write(s.tail); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
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
		open := j.voice.Load().decided(a, newArrived(0))
		j.unusual[seriesOf(&open)] = &open
	}
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
