package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// A copy of a broker's folder is made from outside, beside the process that writes it or without one. It needs no help of that process,
// because of what the files are: a segment only grows, and all of it but the end of the last one is what it will ever be. So a log is
// copied by noting how long its last segment is. Opened segments stay readable when retention deletes them. What a kill leaves behind is
// what such a copy holds, and recover.go makes a broker of either.

// ErrMoved says that the logs changed too much between Hold and Cut: begin again.
var ErrMoved = errors.New("the logs of the embedded broker were deleted or made anew meanwhile")

// Held are the segments of a folder as they were when Hold was called, kept from deletion.
type Held struct {
	dir  string // of the engine
	pin  func() error
	logs map[place]map[int64]*os.File
	// arrivals, which say where logs start, as they were before: those of Cut may start behind positions that were copied meanwhile, and what
	// lies between would be lost although its segments are held.
	arrivals []byte
}

// CopyFile is a file of a copy: the first Size bytes of Body are its content.
type CopyFile struct {
	Name string // relative to the folder of the broker, with slashes
	Size int64
	Body io.ReaderAt
}

// HasLog tells whether a folder is that of a broker that has run.
func HasLog(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "log", "topics.json"))
	return err == nil
}

// pinFile is locked while a copy is cut: retention waits, unless the log has to make room.
const pinFile = "backup.lock"

// Hold opens all segments of a broker's folder. Close the result when the copy is made.
func Hold(ctx context.Context, dir string) (h *Held, err error) {
	h = &Held{dir: filepath.Join(dir, "log"), logs: map[place]map[int64]*os.File{}}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if !HasLog(dir) {
		return h, nil
	}
	if h.pin, err = atomicfile.Share(ctx, filepath.Join(dir, pinFile)); err != nil {
		return h, err
	}
	if h.arrivals, err = os.ReadFile(filepath.Join(dir, arrivalsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	logs, err := scanLogs(h.dir)
	if err != nil {
		return h, err
	}
	for at, segments := range logs {
		if _, err := h.take(at, segments); err != nil {
			return h, err
		}
	}
	return h, nil
}

// take opens the segments of a log that are not open. They go from the oldest on: when one is gone, so are those before it, and dropped says
// so.
func (h *Held) take(at place, segments []segment) (dropped bool, err error) {
	open := h.logs[at]
	if open == nil {
		open = map[int64]*os.File{}
		h.logs[at] = open
	}
	for _, s := range segments {
		if open[s.base] != nil {
			continue
		}
		f, err := os.Open(filepath.Join(logDir(h.dir, at), strconv.FormatInt(s.base, 10)+".dat"))
		if errors.Is(err, fs.ErrNotExist) {
			h.drop(at)
			dropped = true
			continue
		}
		if err != nil {
			return dropped, err
		}
		open[s.base] = f
	}
	return dropped, nil
}

func (h *Held) drop(at place) {
	for base, f := range h.logs[at] {
		_ = f.Close() // it was only read
		delete(h.logs[at], base)
	}
}

// Close lets the segments go.
func (h *Held) Close() {
	h.unpin()
	for at := range h.logs {
		h.drop(at)
	}
}

func (h *Held) unpin() {
	if h.pin != nil {
		_ = h.pin() // nothing was written
		h.pin = nil
	}
}

// Cut says what the folder holds now. Logs are cut one after another, in the order of rank: of what follows from one another, the effect
// has to come before its cause, so that a copy never holds an effect without its cause. The files read from segments that h keeps open: retention may
// go on.
func (h *Held) Cut(rank func(topic string) int) ([]CopyFile, error) {
	defer h.unpin()
	var out []CopyFile
	small := func(names ...string) error {
		for _, name := range names {
			data, err := os.ReadFile(filepath.Join(h.dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			out = append(out, CopyFile{path.Join("log", name), int64(len(data)), bytes.NewReader(data)})
		}
		return nil
	}
	// Positions of groups follow from what was read; ids of producers are given before anything is written under them.
	if err := small("groups.log"); err != nil {
		return nil, err
	}
	ids, err := topicIDs(h.dir)
	if err != nil {
		return nil, err
	}
	logs, err := h.cutLogs(ids, rank)
	if err != nil {
		return nil, err
	}
	out = append(out, logs...)
	if err := small("topics.json", "pids.log", "acls.json", "sasl.json", "quotas.json", "meta.json"); err != nil {
		return nil, err
	}
	after, err := topicIDs(h.dir)
	if err != nil {
		return nil, err
	}
	if !maps.Equal(ids, after) {
		return nil, ErrMoved
	}
	if h.arrivals != nil {
		out = append(out, CopyFile{arrivalsFile, int64(len(h.arrivals)), bytes.NewReader(h.arrivals)})
	}
	return out, nil
}

func (h *Held) cutLogs(ids map[string][16]byte, rank func(string) int) (out []CopyFile, err error) {
	logs, err := scanLogs(h.dir)
	if err != nil {
		return nil, err
	}
	places := slices.Collect(maps.Keys(logs))
	sorting.By(places, func(a, b place) int {
		if d := rank(a.Topic) - rank(b.Topic); d != 0 {
			return d
		}
		return int(a.Partition - b.Partition)
	})
	for _, at := range places {
		if _, live := ids[at.Topic]; !live {
			continue
		}
		files, err := h.cutLog(at)
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", at, err)
		}
		out = append(out, files...)
	}
	return out, nil
}

// cutLog notes how long the segments of one log are.
func (h *Held) cutLog(at place) (out []CopyFile, err error) {
	segments, err := scanLog(logDir(h.dir, at))
	if err != nil {
		return nil, err
	}
	known := len(h.logs[at])
	stays := slices.ContainsFunc(segments, func(s segment) bool { return h.logs[at][s.base] != nil })
	if !stays && (known > 0 || len(segments) > 0 && segments[0].base > 0) {
		return nil, ErrMoved // everything that was held is gone from the folder: there may be a hole before what is there now
	}
	switch dropped, err := h.take(at, segments); {
	case err != nil:
		return nil, err
	case dropped && known > 0:
		return nil, ErrMoved // what comes after the hole may be more segments than were held
	}
	for _, base := range slices.Sorted(maps.Keys(h.logs[at])) {
		f := h.logs[at][base]
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if info.Size() == 0 {
			continue // made for a batch that is not written yet
		}
		name := path.Join("log", "partitions", escape(at.Topic)+"-"+strconv.Itoa(int(at.Partition)), strconv.FormatInt(base, 10)+".dat")
		out = append(out, CopyFile{name, info.Size(), f})
	}
	return out, nil
}
