package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// A snapshot is the state of one lane at one offset of its journal partition: chains, units of which parts are missing,
// ladder and duplicate filters. The file is named by the offset and ends with the sha256 of what stands before; it counts
// only after it was read again. Format: magic, version, sections in the order of encode.

const (
	snapshotMagic = "HXPS"
	snapshotVer   = 1
	keptSnapshots = 2 // the journal is shortened below the older one
)

// snapshotFile is a snapshot on its way to the disk.
type snapshotFile struct {
	lane   *lane
	offset int64
	data   []byte
	needs  map[source]int64 // counted positions: what a restore reads the input from
	done   chan struct{}
}

// snapshot hands the state to the writer. It is skipped while the one before is being written, unless wait is set, which
// waits for both.
func (l *lane) snapshot(wait bool) {
	if l.inSnapshot.Swap(true) && !wait {
		return
	}
	l.lastSnapshot, l.sinceSnapshot = time.Now(), 0
	s := snapshotFile{lane: l, offset: l.journal.next, data: l.encode(), needs: map[source]int64{}, done: make(chan struct{})}
	for src, c := range l.journal.chains {
		s.needs[src] = c.To
	}
	l.snapshots <- s
	if wait {
		<-s.done
	}
}

func (l *lane) encode() []byte {
	b := append(make([]byte, 0, 1<<16), snapshotMagic...)
	b = append(b, snapshotVer)
	b = binary.AppendVarint(b, l.journal.next)
	b = binary.AppendUvarint(b, uint64(len(l.journal.chains)))
	for _, src := range sortedSources(l.journal.chains) {
		c := l.journal.chains[src]
		b = appendSource(b, src)
		b = binary.AppendVarint(b, c.To)
		b = binary.AppendVarint(b, c.Watermark)
		b = binary.AppendVarint(b, c.Lost)
		b = appendText(b, c.GapReason)
		idle := byte(0)
		if c.Idle {
			idle = 1
		}
		b = append(b, idle)
		b = c.Tally.appendTo(b)
	}
	b = binary.AppendUvarint(b, uint64(len(l.journal.halves)))
	for _, h := range l.journal.halves {
		b = appendHalf(b, h)
	}
	l.mu.Lock()
	b = l.ladder.appendTo(b)
	l.mu.Unlock()
	b = binary.AppendUvarint(b, uint64(len(l.folders)))
	for _, src := range sortedSources(l.folders) {
		b = appendSource(b, src)
		b = l.folders[src].filter.appendTo(b)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

func appendHalf(b []byte, h *half) []byte {
	head := h.header
	b = appendBytes(b, appendHeader(nil, &head))
	b = binary.AppendUvarint(b, uint64(h.have))
	for i, body := range h.bodies {
		if body != nil {
			b = binary.AppendUvarint(b, uint64(i))
			b = appendBytes(b, body)
		}
	}
	return b
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// restored is what a snapshot holds.
type restored struct {
	journal *journal
	ladder  *ladder
	filters map[source]*filter
	from    map[source]int64 // counted positions at the snapshot
}

func decodeSnapshot(data []byte, cfg *Config) (*restored, error) {
	if len(data) < sha256.Size {
		return nil, errShort
	}
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if have := sha256.Sum256(body); !bytes.Equal(have[:], sum) {
		return nil, errors.New("checksum does not match")
	}
	d := decoder{src: body}
	if string(d.bytes(4)) != snapshotMagic || d.byte() != snapshotVer {
		return nil, errors.New("not a snapshot of this version")
	}
	r := &restored{journal: newJournal(), ladder: newLadder(cfg.LadderCells), filters: map[source]*filter{}, from: map[source]int64{}}
	r.journal.next = d.varint()
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		src, c := d.source(), new(chain)
		c.To, c.Watermark, c.Lost, c.GapReason, c.Idle = d.varint(), d.varint(), d.varint(), d.text(), d.byte() == 1
		d.tally(&c.Tally)
		r.journal.chains[src], r.from[src] = c, c.To
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		d.half(r.journal)
	}
	d.ladder(r.ladder)
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		src, f := d.source(), newFilter(cfg.FilterBytes)
		if d.err == nil {
			d.src, d.err = f.decode(d.src)
			r.filters[src] = f
		}
	}
	return r, d.err
}

func (d *decoder) half(j *journal) {
	h, _, err := decodeUnit(d.bytes(int(d.uvarint())))
	if err != nil && d.err == nil {
		d.err = err
	}
	if d.err != nil {
		return
	}
	u := &half{header: h, bodies: make([][]byte, h.Parts)}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		i := d.uvarint()
		body := d.bytes(int(d.uvarint()))
		if i >= uint64(h.Parts) {
			d.fail()
			return
		}
		u.bodies[i] = append([]byte{}, body...)
		u.have++
	}
	j.halves = append(j.halves, u)
}

// appendTo writes every group that the ladder holds, with its resolution and time of arrival.
func (l *ladder) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(l.keys.names)))
	for _, k := range l.keys.names {
		b = appendText(appendText(b, k.Model), k.Tenant)
	}
	for level, queue := range l.queues {
		queue = slices.DeleteFunc(slices.Clone(queue), func(n *node) bool { return len(n.own) == 0 })
		b = binary.AppendUvarint(b, uint64(len(queue)))
		for _, n := range queue {
			b = binary.AppendVarint(b, n.start/spans[level])
			b = binary.AppendVarint(b, n.arrived)
			b = binary.AppendUvarint(b, uint64(len(n.own)))
			for _, g := range n.own {
				b = g.cell.Append(binary.AppendUvarint(b, uint64(g.key)))
			}
		}
	}
	return b
}

func (d *decoder) ladder(l *ladder) {
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		l.keys.id(agg.Key{Model: d.text(), Tenant: d.text()})
	}
	for level := range spans {
		for n := d.uvarint(); n > 0 && d.err == nil; n-- {
			start, arrived := d.varint()*spans[level], d.varint()
			for m := d.uvarint(); m > 0 && d.err == nil; m-- {
				key, cell := uint32(d.uvarint()), new(agg.Cell)
				if d.err != nil {
					return
				}
				if d.src, d.err = cell.Decode(d.src); d.err == nil && int(key) < len(l.keys.names) {
					l.insert(start, level, key, cell, arrived)
				}
			}
		}
	}
}

// snapshotDir is where the snapshots of one journal partition lie.
func snapshotDir(root string, partition int32) string {
	return filepath.Join(root, "_state", "panes", strconv.Itoa(int(partition)))
}

func snapshotPath(dir string, offset int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d", offset))
}

// snapshotOffsets lists the snapshots in dir, the newest first.
func snapshotOffsets(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var offsets []int64
	for _, e := range entries {
		if n, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && len(e.Name()) == 20 {
			offsets = append(offsets, n)
		}
	}
	slices.Sort(offsets)
	slices.Reverse(offsets)
	return offsets, err
}

// restore fills the lane from the newest snapshot that is whole, and returns the input positions to read ids from.
func (l *lane) restore(dir string) map[source]int64 {
	offsets, err := snapshotOffsets(dir)
	if err != nil {
		l.log.Warn("snapshots cannot be listed, the journal is read from its start", "dir", dir, "error", err)
	}
	for _, offset := range offsets {
		data, err := os.ReadFile(snapshotPath(dir, offset))
		if err == nil {
			var r *restored
			if r, err = decodeSnapshot(data, l.cfg); err == nil {
				l.journal, l.ladder, l.restoredFilters = r.journal, r.ladder, r.filters
				return r.from
			}
		}
		l.log.Warn("snapshot is not usable, trying the one before", "offset", offset, "error", err)
	}
	return nil
}

// keepSnapshots writes what comes on in until it is closed: whole, read again, then the third-newest goes and the journal
// is shortened below the second-newest.
func (s *Service) keepSnapshots(in <-chan snapshotFile) {
	for f := range in {
		if err := s.writeSnapshot(f); err != nil {
			s.log.Error("snapshot not written, the journal is kept", "partition", f.lane.number, "error", err)
		}
		f.lane.inSnapshot.Store(false)
		close(f.done)
	}
}

func (s *Service) writeSnapshot(f snapshotFile) error {
	dir := snapshotDir(s.opts.StateDir, f.lane.number)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	path := snapshotPath(dir, f.offset)
	if err := atomicfile.Write(path, f.data); err != nil {
		return err
	}
	back, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(back, f.data) {
		_ = os.Remove(path)
		return fmt.Errorf("%s does not read back as it was written: %w", path, err)
	}
	s.keepPositions(f)
	offsets, err := snapshotOffsets(dir)
	if err != nil || len(offsets) < keptSnapshots {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.bus.DeleteRecords(ctx, event.TopicPanes, map[int32]int64{f.lane.number: offsets[keptSnapshots-1]}); err != nil {
		return fmt.Errorf("journal not shortened: %w", err)
	}
	for _, old := range offsets[keptSnapshots:] {
		_ = os.Remove(snapshotPath(dir, old))
	}
	return nil
}
