package broker

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// The engine writes down two things only when it is closed in order: the windows of sequence numbers by which it recognises
// a batch that a producer sends again, and where each log starts and ends. After a kill it would take the windows of the last
// orderly end for true, and so refuse or double the batches of producers that live on; and it would read whole logs into
// memory. So after a kill both are made anew here, from the heads of the batches. The formats are those of the pinned
// version; TestKill holds them.

const (
	cleanMark   = "clean" // file: the engine was closed in order
	batchHead   = 61      // bytes of a batch before its records
	windowSize  = 5       // batches of one producer that are remembered
	formatKfake = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seqWindows is seq_windows.json of the engine.
type seqWindows struct {
	Version int         `json:"version"`
	Windows []seqWindow `json:"windows"`
}

type seqWindow struct {
	PID     int64                `json:"pid"`
	Topic   string               `json:"topic"`
	Part    int32                `json:"partition"`
	Entries [windowSize]seqEntry `json:"entries"`
	Count   uint8                `json:"count"`
	At      uint8                `json:"at"`
	Epoch   int16                `json:"epoch"`
	Seen    bool                 `json:"seen"`
	NextSeq int32                `json:"next_seq"`
}

type seqEntry struct {
	FirstSeq int32 `json:"first_seq"`
	NextSeq  int32 `json:"next_seq"`
	Offset   int64 `json:"offset"`
}

// add appends a batch; the batches of another epoch are forgotten.
func (w *seqWindow) add(epoch int16, first, records int32, offset int64) {
	if !w.Seen || w.Epoch != epoch {
		*w = seqWindow{PID: w.PID, Topic: w.Topic, Part: w.Part, Epoch: epoch, Seen: true}
	}
	w.NextSeq = int32((int64(first) + int64(records)) % math.MaxInt32)
	w.Entries[w.At] = seqEntry{first, w.NextSeq, offset}
	w.At = (w.At + 1) % windowSize
	w.Count = min(w.Count+1, windowSize)
}

// logSnapshot is snapshot.json of the engine.
type logSnapshot struct {
	Version          int               `json:"version"`
	HighWatermark    int64             `json:"high_watermark"`
	LastStableOffset int64             `json:"last_stable_offset"`
	LogStartOffset   int64             `json:"log_start_offset"`
	Epoch            int32             `json:"epoch"`
	MaxTimestamp     int64             `json:"max_timestamp"`
	CreatedAt        time.Time         `json:"created_at"`
	Segments         []snapshotSegment `json:"segments"`
}

type snapshotSegment struct {
	BaseOffset int64 `json:"base_offset"`
	Size       int64 `json:"size"`
	MinEpoch   int32 `json:"min_epoch,omitempty"`
	MaxEpoch   int32 `json:"max_epoch,omitempty"`
}

// topicIDs is what is needed of topics.json of the engine.
func topicIDs(dir string) (map[string][16]byte, error) {
	data, err := os.ReadFile(filepath.Join(dir, "topics.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var file struct {
		Topics []struct {
			Name string `json:"name"`
			ID   []byte `json:"id"` // base64
		} `json:"topics"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("topics.json: %w", err)
	}
	ids := make(map[string][16]byte, len(file.Topics))
	for _, t := range file.Topics {
		ids[t.Name] = [16]byte(append(t.ID, make([]byte, 16)...)[:16])
	}
	return ids, nil
}

// recoverLogs makes dir, a folder of the engine, ready after a kill. seen may know where logs start.
func recoverLogs(dir string, seen *arrivals, log *slog.Logger) error {
	ids, err := topicIDs(dir)
	if err != nil || len(ids) == 0 {
		return err
	}
	logs, err := scanLogs(dir)
	if err != nil {
		return err
	}
	all := seqWindows{Version: formatKfake, Windows: []seqWindow{}}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for at, segments := range logs {
		id, live := ids[at.Topic]
		if !live || len(segments) == 0 {
			continue
		}
		start := int64(0)
		if t := seen.Topics[at.Topic]; t != nil && t.ID == hex.EncodeToString(id[:]) && t.Partitions[at.Partition] != nil {
			start = t.Partitions[at.Partition].Start
		}
		g.Go(func() error {
			r := logRecovery{place: at, dir: logDir(dir, at), log: log, windows: map[int64]*seqWindow{}}
			if err := r.run(segments, start); err != nil {
				return fmt.Errorf("log %s: %w", at, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, w := range r.windows {
				all.Windows = append(all.Windows, *w)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "seq_windows.json"), data)
}

func logDir(dir string, at place) string {
	return filepath.Join(dir, "partitions", escape(at.Topic)+"-"+strconv.Itoa(int(at.Partition)))
}

// logRecovery is the recovery of one partition.
type logRecovery struct {
	place
	dir     string
	log     *slog.Logger
	windows map[int64]*seqWindow

	snap    logSnapshot
	first   int64 // offset of the first batch; -1 = none
	transac bool  // has batches of transactions, whose fate only the engine's own full reading tells
	doubt   bool  // has bytes that are no batches where there should be some: the engine reads it in full as well
}

func (r *logRecovery) run(segments []segment, start int64) error {
	r.first, r.snap.Version, r.snap.CreatedAt = -1, formatKfake, time.Now()
	for i, s := range segments {
		if err := r.segment(s, i == len(segments)-1); err != nil {
			return err
		}
	}
	path := filepath.Join(r.dir, "snapshot.json")
	if r.transac || r.doubt || r.first < 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	r.snap.LastStableOffset = r.snap.HighWatermark
	r.snap.LogStartOffset = min(max(r.first, start), r.snap.HighWatermark-1)
	data, err := json.Marshal(r.snap)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, data)
}

// segment reads the heads of one segment, cuts a torn end off and completes its index.
func (r *logRecovery) segment(s segment, last bool) error {
	name := filepath.Join(r.dir, strconv.FormatInt(s.base, 10))
	f, err := os.OpenFile(name+".dat", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // read, or truncated and synced
	seg := snapshotSegment{BaseOffset: s.base}
	index, err := os.ReadFile(name + ".idx")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	whole := len(index) / indexEntry * indexEntry
	index = index[:whole]
	had := whole / indexEntry
	n := 0
	window := headWindow{f: f, size: s.bytes}
	for seg.Size < s.bytes {
		h, err := window.at(seg.Size)
		if err != nil {
			return err
		}
		size := int64(12) + int64(int32(binary.BigEndian.Uint32(pad(h, 12)[8:])))
		if len(h) < batchHead || size < batchHead || seg.Size+size > s.bytes || (last && !intact(f, seg.Size, size)) {
			break
		}
		r.batch(h, &seg, n == 0)
		if n >= had {
			index = append(index, indexOf(h)...)
		}
		n++
		seg.Size += size
	}
	if seg.Size < s.bytes && !last {
		r.doubt = true // a hole in the middle: the engine's to judge
		return nil
	}
	if n == 0 {
		return errors.Join(os.Remove(name+".dat"), removeIf(name+".idx"))
	}
	if seg.Size < s.bytes {
		r.log.Warn("torn end of a log cut off; nothing in it was acknowledged", "log", r.place.String(), "bytes", s.bytes-seg.Size)
		if err := errors.Join(f.Truncate(seg.Size), f.Sync()); err != nil {
			return err
		}
	}
	if n != had || whole != had*indexEntry {
		if err := atomicfile.Write(name+".idx", index[:n*indexEntry]); err != nil {
			return err
		}
	}
	r.snap.Segments = append(r.snap.Segments, seg)
	return nil
}

func removeIf(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// batch takes what a head tells.
func (r *logRecovery) batch(h []byte, seg *snapshotSegment, first bool) {
	be := binary.BigEndian
	offset, epoch, attrs := int64(be.Uint64(h)), int32(be.Uint32(h[12:])), be.Uint16(h[21:])
	if r.first < 0 {
		r.first = offset
		r.snap.CreatedAt = time.UnixMilli(int64(be.Uint64(h[27:])))
	}
	r.snap.HighWatermark = offset + int64(int32(be.Uint32(h[23:]))) + 1
	r.snap.Epoch = epoch
	r.snap.MaxTimestamp = max(r.snap.MaxTimestamp, int64(be.Uint64(h[35:])))
	if first {
		seg.MinEpoch, seg.MaxEpoch = epoch, epoch
	}
	seg.MinEpoch, seg.MaxEpoch = min(seg.MinEpoch, epoch), max(seg.MaxEpoch, epoch)
	const transactional, control = 0x10, 0x20
	r.transac = r.transac || attrs&(transactional|control) != 0
	pid := int64(be.Uint64(h[43:]))
	if pid < 0 || attrs&control != 0 {
		return
	}
	w := r.windows[pid]
	if w == nil {
		w = &seqWindow{PID: pid, Topic: r.Topic, Part: r.Partition}
		r.windows[pid] = w
	}
	w.add(int16(be.Uint16(h[51:])), int32(be.Uint32(h[53:])), int32(be.Uint32(h[57:])), offset)
}

// indexOf is the engine's index entry of a batch: version, sum, epoch, newest time so far (which the engine does not
// believe), in a transaction or not.
func indexOf(h []byte) []byte {
	e := make([]byte, indexEntry)
	e[0] = formatKfake
	binary.LittleEndian.PutUint32(e[2:], binary.BigEndian.Uint32(h[12:]))
	binary.LittleEndian.PutUint64(e[6:], binary.BigEndian.Uint64(h[35:]))
	if attrs := binary.BigEndian.Uint16(h[21:]); attrs&0x30 == 0x10 {
		e[14] = 1
	}
	e[1] = byte(crc32.Checksum(e[2:], castagnoli))
	return e
}

// intact checks the sum of a batch.
func intact(f io.ReaderAt, pos, size int64) bool {
	b := make([]byte, size-17)
	if _, err := f.ReadAt(b, pos+17); err != nil {
		return false
	}
	return crc32.Checksum(b[4:], castagnoli) == binary.BigEndian.Uint32(b)
}

// headWindow reads heads with few calls: small batches lie in one window, large ones are stepped over.
type headWindow struct {
	f     io.ReaderAt
	size  int64
	buf   []byte
	start int64
}

func (w *headWindow) at(pos int64) ([]byte, error) {
	if pos >= w.start && pos+batchHead <= w.start+int64(len(w.buf)) {
		return w.buf[pos-w.start:][:batchHead], nil
	}
	if w.buf == nil {
		w.buf = make([]byte, 0, 32<<10)
	}
	w.buf = w.buf[:min(int64(cap(w.buf)), w.size-pos)]
	w.start = pos
	if _, err := w.f.ReadAt(w.buf, pos); err != nil {
		return nil, err
	}
	return w.buf[:min(batchHead, len(w.buf))], nil
}

func pad(b []byte, n int) []byte {
	if len(b) >= n {
		return b
	}
	return slices.Concat(b, make([]byte, n-len(b)))
}
