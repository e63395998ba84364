package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// ReportStore keeps what is known of reports, and the last analysis of each kind.
type ReportStore interface {
	// QueueReport stores a report that is to be made, or finds the one with its id: attached is true when that is queued or
	// being made already.
	QueueReport(ctx context.Context, r agg.Report) (now agg.Report, attached bool, err error)
	UpdateReport(ctx context.Context, r agg.Report) error
	Report(ctx context.Context, id string) (agg.Report, error)
	Reports(ctx context.Context, kind string, limit int, cursor string) ([]agg.Report, string, error)
	UnfinishedReports(ctx context.Context) ([]agg.Report, error)
	LastReports(ctx context.Context) (last []agg.Report, counts map[agg.ReportStatus]int, err error)
	DeleteReport(ctx context.Context, id string) error

	SaveAnalysis(ctx context.Context, kind string, madeAt time.Time, document []byte) error
	// ReplaceAnalysis replaces the one that was made at was, the zero time = there is none; taken is false when there is another.
	ReplaceAnalysis(ctx context.Context, kind string, was, madeAt time.Time, document []byte) (taken bool, err error)
	Analysis(ctx context.Context, kind string) (document []byte, madeAt time.Time, err error)
}

// reporter makes reports: one at a time for each id, two at a time in all.
//
// A report is a function of the stored rows, so making it twice at once, here or in another process, gives the same bytes. The
// file appears whole and before what is known of it; when the bytes are those of before, nothing changes.
type reporter struct {
	s     *Service
	store ReportStore
	dir   string
	slots chan struct{} // of reports that are made
	views chan struct{} // of pages that are shown

	courier *courier

	mu     sync.Mutex
	making map[string]*making               // by id
	status map[report.Kind]agg.ReportStatus // of the last one that ended, since the start or as it was found then
}

type making struct {
	id    string
	kind  report.Kind
	done  chan struct{} // closed when the rest stands
	r     agg.Report
	empty bool // ordered, and it has nothing to tell
	err   error
}

// document is what is rendered in each format.
type document interface {
	Render(format string) ([]byte, error)
	// Completeness is the share of the period that the numbers cover.
	Completeness() float64
}

// contentFunc gathers what a report says.
type contentFunc func(ctx context.Context, r *agg.Report) (document, error)

func newReporter(s *Service, store ReportStore, dir string) *reporter {
	return &reporter{s: s, store: store, dir: dir, slots: make(chan struct{}, 2), views: make(chan struct{}, 2), making: map[string]*making{}, status: map[report.Kind]agg.ReportStatus{}}
}

func (p *reporter) log() *slog.Logger { return p.s.log }

// newReport says what a report is about; template "" is the one for its kind. The id is that, in letters that a path and a file name may have.
func newReport(k report.Kind, format, template string, period report.Period) agg.Report {
	name := report.ID(k, period, template)
	return agg.Report{ID: name + "-" + format, Type: string(k), Format: format, Start: period.Start.UTC(), End: period.End.UTC(), File: path.Join(string(k), name+"."+format)}
}

// templateOf is the template that an id names, "" when it names none.
func templateOf(id string) string {
	if parts := strings.Split(id, "-"); len(parts) == 5 {
		return parts[3]
	}
	return ""
}

// order has a report made and returns at once. Who orders a report that is being made waits for that one.
func (p *reporter) order(ctx context.Context, r agg.Report) (*making, error) {
	m, mine := p.claim(r)
	if !mine {
		return m, nil
	}
	r.CreatedAt = p.s.now()
	now, _, err := p.store.QueueReport(ctx, r)
	if err != nil {
		p.release(m, r, err)
		return m, err
	}
	started := p.s.spawn(func(ctx context.Context) {
		made, err := p.make(ctx, now, func(ctx context.Context, r *agg.Report) (document, error) {
			doc, err := p.document(ctx, r)
			m.empty = err == nil && empty(doc)
			return doc, err
		})
		p.release(m, made, err)
	})
	if !started {
		p.release(m, now, errStopping) // stays queued for the next start
	}
	return m, nil
}

// produce makes a report and returns when that is done, or waits for whoever is making it.
func (p *reporter) produce(ctx context.Context, r agg.Report, content contentFunc) (agg.Report, error) {
	m, mine := p.claim(r)
	if !mine {
		select {
		case <-m.done:
			return m.r, m.err
		case <-ctx.Done():
			return r, context.Cause(ctx)
		}
	}
	r.CreatedAt = p.s.now()
	now, _, err := p.store.QueueReport(ctx, r)
	if err == nil {
		now, err = p.make(ctx, now, content)
	}
	p.release(m, now, err)
	return now, err
}

// full tells whether so many reports are under way that no further one is taken.
func (p *reporter) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.making) >= maxUnfinished
}

// claim makes the caller the one who makes the report, unless somebody does.
func (p *reporter) claim(r agg.Report) (m *making, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.making[r.ID]; m != nil {
		return m, false
	}
	m = &making{id: r.ID, kind: report.Kind(r.Type), done: make(chan struct{}), r: r}
	p.making[r.ID] = m
	return m, true
}

func (p *reporter) release(m *making, r agg.Report, err error) {
	p.mu.Lock()
	delete(p.making, m.id)
	if k := report.Kind(r.Type); r.Status.Final() {
		p.status[k] = r.Status
	}
	m.r, m.err = r, err
	p.mu.Unlock()
	close(m.done)
	p.courier.look() // somebody may wait for it
}

// state is the word of the metric for a kind.
func (p *reporter) state(k report.Kind) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.s.cfg().Reports.on(k):
		return "disabled"
	case p.busy(k):
		return "running"
	}
	switch p.status[k] {
	case agg.ReportCompleted:
		return "completed"
	case agg.ReportFailed:
		return "failed"
	}
	return "scheduled"
}

// busy tells whether a report of a kind is being made; p.mu is held.
func (p *reporter) busy(k report.Kind) bool {
	for _, m := range p.making {
		if m.kind == k {
			return true
		}
	}
	return false
}

// make takes a queued report through its steps and stores each. It is the only writer of the report meanwhile.
func (p *reporter) make(ctx context.Context, r agg.Report, content contentFunc) (agg.Report, error) {
	if !take(ctx, p.slots) {
		return r, context.Cause(ctx)
	}
	defer func() { <-p.slots }()
	began := p.s.now()
	r.Status = agg.ReportRunning
	err := p.store.UpdateReport(ctx, r)
	if err == nil {
		limited, stop := context.WithTimeoutCause(ctx, p.s.cfg().Processing.timeout(), errTimeout)
		r, err = p.write(limited, r, content)
		stop()
	}
	switch {
	case err == nil:
		r.Status, r.Error = agg.ReportCompleted, ""
	case errors.Is(context.Cause(ctx), errStopping):
		r.Status = agg.ReportQueued // the next start makes it
	default:
		r.Status, r.Error = agg.ReportFailed, err.Error()
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer stop()
	switch stored := p.store.UpdateReport(end, r); {
	case errors.Is(stored, p.s.deps.NotFound): // deleted meanwhile, and so is what was written
		p.remove(r)
		r.Status, err = agg.ReportFailed, errDeleted
	case stored != nil:
		err = errors.Join(err, stored)
	}
	if err != nil {
		if r.Status != agg.ReportQueued {
			p.log().Error("report generation failed", "report", r.ID, "err", err)
		}
		return r, err
	}
	p.log().Info("report generated", "report", r.ID, "bytes", r.Bytes, "sha256", r.SHA256, "took", p.s.now().Sub(began))
	return r, nil
}

var errDeleted = errors.New("the report was deleted while it was made")

// write makes the bytes and puts them into the folder, whole, unless they lie there already.
func (p *reporter) write(ctx context.Context, r agg.Report, content contentFunc) (agg.Report, error) {
	doc, err := content(ctx, &r)
	if err != nil {
		return r, fmt.Errorf("gather the numbers: %w", err)
	}
	body, err := doc.Render(r.Format)
	if err != nil {
		return r, err
	}
	r.Completeness = new(doc.Completeness())
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if hash == r.SHA256 {
		if there, err := p.read(r); err == nil && bytes.Equal(there, body) {
			return r, nil
		}
	}
	name := filepath.Join(p.dir, filepath.FromSlash(r.File))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return r, fmt.Errorf("folder of the reports: %w", err)
	}
	if err := atomicfile.Write(name, body); err != nil {
		return r, err
	}
	if there, err := os.ReadFile(name); err != nil || !bytes.Equal(there, body) {
		return r, fmt.Errorf("%s does not hold what was written: %w", name, errors.Join(err, errDamaged))
	}
	r.Bytes, r.SHA256, r.CompletedAt, r.Machine = int64(len(body)), hash, new(p.s.now().UTC().Truncate(time.Microsecond)), p.s.deps.Machine
	return r, nil
}

var errDamaged = errors.New("the file is not the one that was made")

// read returns the bytes of a report and holds them to their hash.
func (p *reporter) read(r agg.Report) ([]byte, error) {
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	body, err := root.ReadFile(filepath.FromSlash(r.File))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != r.SHA256 {
		return nil, fmt.Errorf("%s: %w", r.File, errDamaged)
	}
	return body, nil
}

// remove takes the file of a deleted report away.
func (p *reporter) remove(r agg.Report) {
	root, err := os.OpenRoot(p.dir)
	if err == nil {
		err = root.Remove(filepath.FromSlash(r.File))
		root.Close()
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.log().Warn("file of a deleted report could not be removed", "report", r.ID, "file", r.File, "err", err)
	}
}

// recover makes what was queued or half done when the process ended, and learns how the last reports went.
func (p *reporter) recover(ctx context.Context) error {
	last, _, err := p.store.LastReports(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	for _, r := range last {
		if r.Status.Final() {
			p.status[report.Kind(r.Type)] = r.Status
		}
	}
	p.mu.Unlock()
	for _, k := range report.Kinds { // another process may write there too
		if err := atomicfile.SweepBefore(filepath.Join(p.dir, string(k)), p.s.now().Add(-time.Hour)); err != nil {
			p.log().Warn("what killed writers left of reports could not be removed", "type", string(k), "err", err)
		}
	}
	open, err := p.store.UnfinishedReports(ctx)
	if err != nil {
		return err
	}
	for _, r := range open {
		p.log().Info("report taken up again", "report", r.ID)
		if _, err := p.order(ctx, r); err != nil {
			return err
		}
	}
	return nil
}
