package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// What is in hxp-correlations was written by this program, by another owner, or before a restart. A lane reads what is not its
// own, so that it writes nothing again that is there already, and adds to what others began.

// rereadJoined is how many records of a partition of hxp-correlations are read when no snapshot tells where to begin.
const rereadJoined = 20_000

// begin finds where the lane reads hxp-correlations from.
func (j *joins) begin(log bus.Range) {
	if !j.works() {
		return
	}
	if j.next < 0 {
		j.next = log.End - rereadJoined
	}
	j.next, j.until = min(max(j.next, log.Start), log.End), log.End
	j.catchUp()
}

func (j *joins) catchUp() {
	if j.next < j.until {
		return
	}
	select {
	case <-j.caught:
	default:
		close(j.caught)
	}
}

// renew begins anew as the owner, from what a snapshot keeps; nothing is written before what is written already was read from there.
func (j *joins) renew(state []byte, log bus.Range, cfg *Config) error {
	j.lock()
	defer j.unlock()
	j.table, j.batches, j.program = join.New(cfg.joinLimits(j.of)), nil, newProgram()
	j.owner, j.told, j.next, j.caught = true, join.Stats{}, -1, make(chan struct{})
	err := j.restore(state, cfg)
	j.begin(log)
	return err
}

// readBack takes what was written to the partition of hxp-correlations that the lane writes to.
func (l *lane) readBack(b bus.PartitionBatch) {
	j := l.joins
	now := time.Now().UnixMicro()
	j.lock()
	defer j.unlock()
	for _, m := range b.Messages {
		if m.Offset < j.next {
			continue
		}
		if err := j.absorb(m.Value, now); err != nil {
			l.log.Error("joined records are not usable, passed over", "partition", m.Partition, "offset", m.Offset, "error", err)
		}
	}
	j.next = max(j.next, b.Next)
	j.catchUp()
}

// absorb takes the records of one record of hxp-correlations, unless they are of this program or for another join number.
func (j *joins) absorb(value []byte, now int64) error {
	d := decoder{src: value}
	if string(d.bytes(len(joinedMagic))) != joinedMagic || d.byte() != joinedVer {
		return errors.New("not joined records in a version that this program knows")
	}
	var program [16]byte
	copy(program[:], d.bytes(len(program)))
	of, number, batch := d.uvarint(), d.uvarint(), d.uvarint()
	if d.err == nil && program == j.program { // it is in the topic, and a snapshot made before its acknowledgement must not say that it is not
		j.batches = slices.DeleteFunc(j.batches, func(b *joined) bool { return number == uint64(j.number) && b.number == batch })
		return nil
	}
	if d.err != nil || of != uint64(j.of) || number != uint64(j.number) {
		return d.err
	}
	return j.table.Absorb(d.src, join.Written, now)
}

// readJoined hands the records of hxp-correlations to the lanes until the session ends.
func (n *session) readJoined(r *bus.Reader) error {
	for {
		poll, wishes, cancel := n.joined.begin(n.live)
		for _, w := range wishes {
			if at, ok := r.Position(w.source.Topic, w.source.Partition); ok && at <= w.offset {
				continue // another lane wants what is before
			}
			if err := r.Seek(w.source.Topic, w.source.Partition, w.offset); err != nil {
				cancel()
				return err
			}
		}
		fetch, err := r.Poll(poll)
		cancel()
		if err != nil && (n.live.Err() != nil || poll.Err() == nil) {
			return err
		}
		for _, b := range fetch {
			if out, ok := errors.AsType[*bus.OutOfRangeError](b.Err); ok { // it is the topic's retention, or it was cut: what is there counts
				b.Next = min(max(out.Offset, out.Start), out.End)
				if err := r.Seek(b.Topic, b.Partition, b.Next); err != nil {
					return err
				}
			} else if b.Err != nil {
				return fmt.Errorf("%w: %s/%d: %w", errLayout, b.Topic, b.Partition, b.Err)
			}
			for p := int(b.Partition); p < n.joinNumbers(); p += n.layout.joined.Partitions {
				if err := n.ask(n.lanes[p], func() { n.lanes[p].readBack(b) }); err != nil {
					return err
				}
			}
		}
	}
}

// startJoined begins to read hxp-correlations and returns when the lanes know what it held.
func (n *session) startJoined() error {
	if n.joinNumbers() == 0 {
		return nil
	}
	from := map[int32]int64{}
	for _, l := range n.lanes[:n.joinNumbers()] {
		p := l.joins.partition()
		if at, known := from[p]; !known || l.joins.next < at {
			from[p] = l.joins.next
		}
	}
	r, err := n.bus.NewReader(map[string]map[int32]int64{event.TopicCorrelations: from}, bus.ReaderOptions{})
	if err != nil {
		return err
	}
	n.tasks.Go(func() {
		defer r.Close()
		n.fail(n.readJoined(r))
	})
	for _, l := range n.lanes {
		select {
		case <-l.joins.caught:
		case <-n.live.Done():
			return n.live.Err()
		}
	}
	return nil
}

// partition is the one of hxp-correlations that the lane writes to.
func (j *joins) partition() int32 { return j.number % int32(j.written.Partitions) }

// lengthBytes is what the length of a state takes, however short it is, so that it can be written before the state is.
const lengthBytes = 5

// appendState appends what a snapshot keeps, behind its length: join numbers, topic and position of hxp-correlations, batches that are not
// acknowledged, and the table.
func (j *joins) appendState(dst []byte) []byte {
	if !j.works() {
		return appendBytes(dst, j.kept())
	}
	at := len(dst)
	dst = j.appendWork(append(dst, make([]byte, lengthBytes)...))
	n := uint64(len(dst) - at - lengthBytes)
	for i := range lengthBytes {
		dst[at+i] = byte(n>>(7*i))&0x7f | 0x80
	}
	dst[at+lengthBytes-1] &^= 0x80
	return dst
}

func (j *joins) appendWork(b []byte) []byte {
	j.lock()
	defer j.unlock()
	b = binary.AppendUvarint(b, uint64(j.of))
	b = appendText(b, j.written.ID)
	b = binary.AppendVarint(b, j.next)
	b = binary.AppendUvarint(b, uint64(len(j.batches)))
	for _, joined := range j.batches {
		b = appendBytes(b, joined.value[joined.head:])
	}
	return j.table.AppendState(b)
}

// memory is about what appendState takes, and rather more.
func (j *joins) memory() (n int64) {
	if !j.works() {
		return int64(len(j.kept()))
	}
	for _, b := range j.batches {
		n += int64(len(b.value))
	}
	return n + j.table.Memory()
}

// keep notes the state of a snapshot where joining is switched off: what was joined and not written by then, and what was open, is there when
// it is switched on again.
func (j *joins) keep(state []byte) {
	if j != nil && j.of == 0 {
		j.former = bytes.Clone(state)
	}
}

// kept is what keep noted.
func (j *joins) kept() []byte {
	if j == nil {
		return nil
	}
	return j.former
}

// restore goes on from what a snapshot keeps. Of other join numbers nothing is taken: they hold other requests.
func (j *joins) restore(state []byte, cfg *Config) error {
	if !j.works() {
		j.keep(state)
		return nil
	}
	if len(state) == 0 {
		return nil
	}
	d := decoder{src: state}
	of, topic, next := d.uvarint(), d.text(), d.varint()
	if d.err == nil && of != uint64(j.of) {
		return nil
	}
	var batches [][]byte
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		batches = append(batches, d.bytes(int(min(d.uvarint(), math.MaxInt32))))
	}
	if d.err != nil {
		return d.err
	}
	now := time.Now().UnixMicro()
	table, err := join.Restore(d.src, cfg.joinLimits(j.of), now)
	for _, b := range batches {
		err = errors.Join(err, table.Absorb(b, join.Unwritten, now))
	}
	if err != nil {
		return err
	}
	j.table, j.told = table, table.Stats
	if topic == j.written.ID {
		j.next = next
	}
	return nil
}
