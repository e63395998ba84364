package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// Snapshots lie in <state>/_state/panes/<journal partition>/<id of the journal topic>/<offset>. One counts only after it was
// read again. A journal that was made anew has a folder of its own, so that offsets of two journals are never compared.

const keptSnapshots = 2 // the journal is shortened below the older one

// snapshotFile is a snapshot on its way to the disk.
type snapshotFile struct {
	lane   *lane
	dir    string // of the lane
	id     string // of the journal
	offset int64
	data   []byte
	needs  map[source]int64 // what a restore reads the input from
	keep   int64            // journal offset from which on each source has a unit that counts
	done   chan struct{}
}

// desk is where the lanes' snapshots are written, one after the other. There is one buffer for all of them, as large as the largest: a buffer for
// each would be hundreds of megabytes of garbage a minute.
type desk struct {
	files chan snapshotFile
	room  chan []byte // holds the buffer while it is free
}

func newDesk() *desk {
	d := &desk{files: make(chan snapshotFile, 1), room: make(chan []byte, 1)}
	d.room <- nil
	return d
}

// take hands the buffer out, empty, to who will send a file. Without wait it tells when somebody else has it.
func (d *desk) take(wait bool) (room []byte, free bool) {
	if wait {
		return (<-d.room)[:0], true
	}
	select {
	case room = <-d.room:
		return room[:0], true
	default:
		return nil, false
	}
}

// finish takes the buffer of f back.
func (d *desk) finish(f snapshotFile) {
	d.room <- f.data
	close(f.done)
}

func snapshotDir(root string, partition int32) string {
	return filepath.Join(root, "_state", "panes", strconv.Itoa(int(partition)))
}

func (f *snapshotFile) path(offset int64) string {
	return filepath.Join(f.dir, f.id, fmt.Sprintf("%020d", offset))
}

// keepHouse does what is due once a second.
func (l *lane) keepHouse() {
	l.mu.Lock()
	now := time.Now()
	for _, ladder := range l.ladders {
		ladder.age(now.Unix())
		if !l.catchingUp(now) {
			ladder.settle(now.Unix())
			ladder.pack(now.Unix())
		}
	}
	l.mu.Unlock()
	for _, f := range l.folders {
		l.publish(f)
	}
	if !l.owns() {
		return
	}
	due := time.Since(l.lastSnapshot) >= l.cfg.SnapshotEvery && l.sinceSnapshot > 0
	if due || l.sinceSnapshot >= l.cfg.SnapshotBytes {
		l.snapshot(false)
	}
}

// behindAfter is how old the newest record that was folded is when a lane is called behind its input.
const behindAfter = 10 * time.Second

// catchingUp tells whether the lane works off a backlog. Then it makes no sums ahead of questions, not even that of all of a second: most of
// what it would add up becomes part of coarser panes first. Who asks meanwhile makes those that he needs.
func (l *lane) catchingUp(now time.Time) bool {
	for _, f := range l.folders {
		if f.catchingUp(now) {
			return true
		}
	}
	return false
}

func (f *folder) catchingUp(now time.Time) bool {
	return f.next < f.high && f.arrival < now.Add(-behindAfter).UnixMicro()
}

// snapshot hands the state to the writer. It is put off while another one is being written, unless wait is set, which
// waits for both, and while windows, filters and chains do not say the same.
func (l *lane) snapshot(wait bool) {
	if !l.owns() || l.cut || l.unsettled() {
		return
	}
	room, free := l.desk.take(wait)
	if !free {
		return
	}
	l.lastSnapshot, l.sinceSnapshot = time.Now(), 0
	s := snapshotFile{lane: l, dir: l.dir, id: l.journalID, offset: l.journal.next, keep: l.anchor(), data: l.encode(room), needs: map[source]int64{}, done: make(chan struct{})}
	for src, f := range l.folders {
		if c := l.journal.chains[src]; c != nil {
			s.needs[src] = min(c.To, f.filter.next)
		}
	}
	l.anchored = s.offset
	l.desk.files <- s
	if wait {
		<-s.done
	}
}

// restore fills the lane from the newest snapshot that is whole: of its journal, else of one that the topic had before it
// was made anew. It tells whether there was one.
func (l *lane) restore() bool {
	ids, err := journalsIn(l.dir)
	if err != nil {
		l.log.Error("snapshots cannot be listed", "dir", l.dir, "error", err)
		return false
	}
	for _, id := range slices.Insert(slices.DeleteFunc(ids, func(id string) bool { return id == l.journalID }), 0, l.journalID) {
		offsets, err := snapshotOffsets(filepath.Join(l.dir, id))
		if err != nil {
			l.log.Error("snapshots cannot be listed", "dir", l.dir, "journal", id, "error", err)
		}
		for _, offset := range offsets {
			f := snapshotFile{dir: l.dir, id: id}
			if err := l.load(f.path(offset)); err != nil {
				l.log.Error("snapshot is not usable, trying the one before", "partition", l.number, "journal", id, "offset", offset, "error", err)
				continue
			}
			if id != l.journalID {
				l.log.Warn("the journal was made anew: the windows go on from the last snapshot beside the one before", "partition", l.number, "offset", offset)
				l.journal.next, l.journal.halves = 0, nil
			}
			return true
		}
	}
	return false
}

// anchor sees to it that each source has a unit that counts in what is kept of the journal, so that an instance that finds no snapshot
// there learns where all others stand, and goes on from that, not from a place of its own. It returns the offset from which on that is
// so, and asks for a unit without records of each source that has had none since the snapshot before.
func (l *lane) anchor() (keep int64) {
	keep = l.journal.next
	for src, f := range l.folders {
		if c := l.journal.chains[src]; c != nil && c.To > c.Begin { // else everybody begins where it does
			keep = min(keep, c.last)
			f.anchor = c.last < l.anchored
		}
	}
	return keep
}

// floor is what the journal is shortened to once f is written beside those with offsets.
func (f *snapshotFile) floor(offsets []int64) int64 { return min(offsets[keptSnapshots-1], f.keep) }

// bounds are those of logs, by topic and partition.
type bounds = map[string]map[int32]bus.Range

// restoreAll restores lanes and puts them to where they go on reading the journal. It returns bounds of logs that are of after the
// snapshots. Between a lane's snapshot and that look the owner of its number may have written newer ones and shortened the journal;
// then the lane is restored again, and a journal is said to be torn only when no snapshot reaches its beginning.
func restoreAll(lanes []*lane, look func() (bounds, error)) (bounds, error) {
	restored := make([]bool, len(lanes))
	for p, l := range lanes {
		restored[p] = l.restore()
	}
	for {
		logs, err := look()
		if err != nil {
			return nil, err
		}
		again := false
		for p, l := range lanes {
			log, ok := logs[event.TopicPanes][l.number]
			if !ok {
				return nil, fmt.Errorf("partition %d: %w", l.number, errLeader)
			}
			if was := l.journal.next; was < log.Start && l.restore() {
				again = again || !restored[p] || l.journal.next > was
				restored[p] = true
			}
		}
		if again {
			continue
		}
		for p, l := range lanes {
			l.join(restored[p], logs[event.TopicPanes][l.number])
		}
		return logs, nil
	}
}

func (l *lane) load(path string) error {
	r, err := readSnapshot(path, l.cfg)
	if err != nil {
		return err
	}
	if err := l.joins.restore(r.joins, l.cfg); err != nil {
		return err
	}
	l.journal, l.windows, l.filters = r.journal, r.windows, r.filters
	return nil
}

func readSnapshot(path string, cfg *Config) (*restored, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return decodeSnapshot(data, cfg)
}

// journalsIn lists the ids of the journals of which there are snapshots, the one written last first.
func journalsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	written := map[string]time.Time{}
	var ids []string
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() {
			ids = append(ids, e.Name())
			written[e.Name()] = info.ModTime()
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return written[b].Compare(written[a]) })
	return ids, nil
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

// keepSnapshots writes what comes until the desk is closed: whole, read again, then the third-newest goes and the journal
// is shortened below the second-newest, or where it must be kept for instances without snapshots.
func (s *Service) keepSnapshots(d *desk) {
	for f := range d.files {
		if err := f.write(); err != nil {
			s.log.Error("snapshot not written, the journal is kept", "partition", f.lane.number, "error", err)
		} else {
			s.keepPositions(f)
			s.shorten(f)
		}
		d.finish(f)
	}
}

func (f *snapshotFile) write() error {
	path := f.path(f.offset)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(path, f.data); err != nil {
		return err
	}
	if err := readsBack(path, f.data); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("%s does not read back as it was written: %w", path, err)
	}
	return nil
}

// readsBack tells whether the file at path holds data, a piece at a time.
func readsBack(path string, data []byte) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	piece := make([]byte, 256<<10)
	for {
		n, err := file.Read(piece)
		if n > len(data) || !bytes.Equal(piece[:n], data[:n]) {
			return errors.New("other bytes came back")
		}
		data = data[n:]
		switch {
		case errors.Is(err, io.EOF) && len(data) > 0:
			return fmt.Errorf("the last %d bytes did not come back", len(data))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// shorten removes what two snapshots make superfluous: the journal below the older one, older snapshots, and those of
// journals that the topic had before.
func (s *Service) shorten(f snapshotFile) {
	offsets, err := snapshotOffsets(filepath.Join(f.dir, f.id))
	if err != nil || len(offsets) < keptSnapshots {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // a stop waits for it; the next one makes it good
	defer cancel()
	if shapes, err := s.bus.Shapes(ctx, event.TopicPanes); err != nil || shapes[event.TopicPanes].ID != f.id {
		return // the offsets are those of a journal that is gone
	}
	if err := s.bus.DeleteRecords(ctx, event.TopicPanes, map[int32]int64{f.lane.number: s.judgeFloor(f, f.floor(offsets))}); err != nil {
		s.log.Warn("journal not shortened", "partition", f.lane.number, "error", err)
		return
	}
	for _, old := range offsets[keptSnapshots:] {
		_ = os.Remove(f.path(old))
	}
	ids, err := journalsIn(f.dir)
	if err != nil {
		return
	}
	for _, id := range ids {
		if id != f.id {
			_ = os.RemoveAll(filepath.Join(f.dir, id))
		}
	}
}
