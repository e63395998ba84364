package lake

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// claim is a range of offsets of one partition with its events, ready to become part of the lake.
type claim struct {
	tp       event.TopicPartition
	from, to int64
	rows     []*rows // one for each kind of event that was found
	files    []event.LakeFile
}

// outcome of publishing one claim.
type outcome struct {
	claim     *claim
	published bool // false: another owner was first
}

// publisher makes claims part of the lake. It is not for concurrent use.
type publisher struct {
	lake     *Lake
	manifest Manifest
	log      *slog.Logger
	metrics  *metrics
	encoders map[event.Kind]*encoder
	// point is called between the steps; an error ends the work there, as if the process had been killed. For tests.
	point func(step string) error
}

const (
	// syncEach is the number of files up to which each is synced on its own. Beyond it one pass over the file system is faster.
	syncEach = 64
	// syncers is the number of files that are synced and read again at a time: mostly waiting for the disk.
	syncers = 4
)

func newPublisher(l *Lake, m Manifest, log *slog.Logger, metrics *metrics) *publisher {
	return &publisher{lake: l, manifest: m, log: log, metrics: metrics, encoders: make(map[event.Kind]*encoder)}
}

// publish writes, verifies and moves the files of all claims and then gives each claim its transaction. On error the outcomes
// tell which claims were published before it; what else was written is for abandon or the sweep.
func (p *publisher) publish(ctx context.Context, claims []*claim) ([]outcome, error) {
	steps := []struct {
		name string
		do   func(context.Context, []*claim) error
	}{
		{"write", p.write}, {"verify", p.verify}, {"move", p.move},
	}
	began := time.Now()
	for _, s := range steps {
		if s.name == "move" {
			began = time.Now()
		}
		if err := s.do(ctx, claims); err != nil {
			return nil, err
		}
		if err := p.reach(s.name); err != nil {
			return nil, err
		}
	}
	var out []outcome
	for _, c := range claims {
		if err := p.lake.InTime(began); err != nil {
			return out, err
		}
		ok, err := p.manifest.Publish(ctx, c.tp, c.from, c.to, c.files)
		if err != nil {
			return out, err
		}
		out = append(out, outcome{c, ok})
		if !ok {
			p.log.Warn("another owner published this range first, its files are discarded", "topic", c.tp.Topic,
				"partition", c.tp.Partition, "from", c.from, "to", c.to)
			p.discard(ctx, c)
		}
		if err := p.reach("commit"); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (p *publisher) reach(step string) error {
	if p.point == nil {
		return nil
	}
	return p.point(step)
}

// write puts the files of all claims into _tmp.
func (p *publisher) write(ctx context.Context, claims []*claim) error {
	for _, c := range claims {
		var raw [4]byte
		rand.Read(raw[:]) // never fails
		nonce := hex.EncodeToString(raw[:])
		for _, r := range c.rows {
			if err := p.writeHours(ctx, c, r, nonce); err != nil {
				return fmt.Errorf("write the lake's files of %s/%d: %w", c.tp.Topic, c.tp.Partition, err)
			}
		}
	}
	return nil
}

// writeHours writes the rows of one kind, one file for each hour.
func (p *publisher) writeHours(ctx context.Context, c *claim, r *rows, nonce string) error {
	order, times := r.sorted(), r.times()
	for len(order) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		hour := hourOf(times[order[0]])
		end := (hour + 3600) * 1e6
		n, _ := slices.BinarySearchFunc(order, end, func(i int32, t int64) int { return cmp.Compare(times[i], t) })
		f := event.LakeFile{
			Path:    hourDir(r.table.kind, hour) + "/" + fileName(c.tp, c.from, c.to, r.table.kind, hour, nonce),
			TopicID: c.tp.TopicID, Topic: c.tp.Topic, Partition: c.tp.Partition, From: c.from, To: c.to,
			Hour: hour, Rows: int64(n), MinTime: times[order[0]], MaxTime: times[order[n-1]], State: event.LakeLive,
		}
		if err := p.writeFile(r, order[:n], &f); err != nil {
			return err
		}
		c.files = append(c.files, f)
		order = order[n:]
	}
	return nil
}

func (p *publisher) writeFile(r *rows, order []int32, f *event.LakeFile) error {
	enc := p.encoders[r.table.kind]
	if enc == nil {
		enc = newEncoder(r.table.kind)
		p.encoders[r.table.kind] = enc
	}
	err := p.lake.writeStaged(enc, r, order, f)
	if err != nil {
		delete(p.encoders, r.table.kind) // it may be in the middle of something
	}
	return err
}

// writeStaged writes rows as a file into the staging folder and notes its size and hash in f.
func (l *Lake) writeStaged(enc *encoder, from rowSource, order []int32, f *event.LakeFile) (err error) {
	out, err := os.OpenFile(l.stagedPath(f.Path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err != nil {
			os.Remove(out.Name()) // best effort: the sweep finds it otherwise
		}
	}()
	sum := sha256.New()
	counted := &countingWriter{w: io.MultiWriter(out, sum)}
	if err := enc.write(counted, from, order, f.TopicPartition()); err != nil {
		return err
	}
	f.Bytes, f.SHA256 = counted.n, hex.EncodeToString(sum.Sum(nil))
	return nil
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// verify brings the files to the disk and reads them again: what becomes part of the lake can be read.
func (p *publisher) verify(ctx context.Context, claims []*claim) error {
	files := filesOf(claims)
	bulk := len(files) > syncEach || p.lake.noSync
	if bulk && !p.lake.noSync {
		if err := syncFileSystem(p.lake.stage); err != nil {
			return fmt.Errorf("sync the lake's file system: %w", err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(syncers)
	for _, f := range files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return p.lake.verifyStaged(f, !bulk)
		})
	}
	return g.Wait()
}

// move brings the verified files to their places. Nobody looks at them before the manifest names them.
func (p *publisher) move(ctx context.Context, claims []*claim) error {
	return p.lake.place(ctx, filesOf(claims))
}

// discard removes the files of a claim that lost: the manifest has never named them.
func (p *publisher) discard(ctx context.Context, c *claim) {
	for i := range c.files {
		p.lake.storage.remove(ctx, c.files[i].Path) // best effort: the sweep finds it otherwise
	}
}

// abandon removes what a failed publish left in _tmp, so that a full disk has room again. Files that were moved stay: whether
// the manifest names them is not known after an error.
func (p *publisher) abandon(claims []*claim) {
	for _, f := range filesOf(claims) {
		os.Remove(p.lake.stagedPath(f.Path)) // best effort: the sweep finds it otherwise
	}
}

func filesOf(claims []*claim) []*event.LakeFile {
	var out []*event.LakeFile
	for _, c := range claims {
		for i := range c.files {
			out = append(out, &c.files[i])
		}
	}
	return out
}
