package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

// drainTime bounds how long an interrupted run waits for what is under way.
const drainTime = 5 * time.Second

// Run replays the files to the sink and prints one summary as the last line of stdout. Refused rows go to stderr as
// FILE:LINE: reason. It returns the exit code: 0 every row that was read was sent, 1 some were refused or the run failed, 2
// wrong usage.
func Run(ctx context.Context, o Options, to sink.Sink, stdout, stderr io.Writer) int {
	if err := o.check(); err != nil {
		fmt.Fprintln(stderr, "hxp replay:", err)
		return 2
	}
	p := &player{options: o, to: to, console: &console{w: stderr, terminal: o.Terminal}, began: time.Now()}
	p.tally = &tally{console: p.console}
	defer p.close()
	if err := p.openAll(); err != nil {
		p.console.say("hxp replay: " + err.Error())
		return 1
	}
	stop := p.watch()
	err := p.play(ctx)
	err = errors.Join(err, p.drain(ctx))
	stop()
	s := p.tally.summary(time.Since(p.began))
	if err != nil {
		p.console.say("hxp replay: " + printable(err.Error()))
	}
	if s.write(stdout, o.JSON) != nil || err != nil || s.Refused > 0 || s.Sent != s.Read {
		return 1
	}
	return 0
}

// player is one run.
type player struct {
	options Options
	to      sink.Sink
	console *console
	tally   *tally
	began   time.Time

	inputs []*input
	total  int64 // bytes, unpacked
	done   atomic.Int64

	pace pace
}

// input is a source with what was found out about it.
type input struct {
	source *source
	probe  *probe
	format *format
}

// openAll looks at every file before the first row is sent: one that is missing, damaged or unknown sends nothing.
func (p *player) openAll() error {
	for _, name := range p.options.Files {
		s, err := openSource(name, p.options.Stdin)
		if err != nil {
			return err
		}
		in := &input{source: s}
		p.inputs = append(p.inputs, in)
		p.total += s.bytes
		if in.probe, err = examine(s.head, s.bytes <= headBytes); err == nil {
			in.format, err = detect(p.options.Format, in.probe)
		}
		if err != nil {
			return fmt.Errorf("%s %w", s.name, err)
		}
	}
	return nil
}

func (p *player) close() {
	for _, in := range p.inputs {
		in.source.close()
	}
}

// watch shows the progress until the returned function is called.
func (p *player) watch() func() {
	every := p.options.Every
	if every == 0 {
		every = 5 * time.Second
		if p.options.Terminal {
			every = 200 * time.Millisecond
		}
	}
	if every < 0 {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.console.progress(p.done.Load(), p.total, p.tally, time.Since(p.began))
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
		p.console.clear()
	}
}

func (p *player) play(ctx context.Context) error {
	p.pace = pace{speed: p.options.Speed}
	for _, in := range p.inputs {
		if err := p.playFile(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) drain(ctx context.Context) error {
	if ctx.Err() == nil {
		return p.to.Flush(ctx)
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return p.to.Flush(late)
}

func (p *player) playFile(ctx context.Context, in *input) error {
	content, err := in.source.open()
	if err != nil {
		return fmt.Errorf("%s: %w", in.source.name, err)
	}
	defer content.Close()
	from, err := in.probe.reader(bufio.NewReaderSize(&counting{content, &p.done}, 256<<10))
	if err != nil {
		return fmt.Errorf("%s %w", in.source.name, err)
	}
	d := in.decoder(p.options)
	var e event.Event
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
		r, err := from.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", in.source.name, err)
		}
		if in.format.many != nil {
			err = p.playMany(ctx, in, d, r, &e)
		} else {
			p.tally.row()
			it, bad := d.item(r, &e)
			err = p.out(ctx, r.line, it, &e, bad)
		}
		if err != nil {
			return err
		}
	}
}

// out sends an event, or says why its row is refused.
func (p *player) out(ctx context.Context, line int, it sink.Item, e *event.Event, bad error) error {
	switch {
	case bad != nil:
		p.tally.refuse(it.File, line, bad.Error())
		return nil
	case p.ahead(e):
		p.tally.refuse(it.File, line, fmt.Sprintf("%s: the row is stamped %s, more than %s ahead of the clock", event.CodeFuture, event.FormatTime(e.Time), p.options.Future))
		return nil
	}
	return p.send(ctx, it, e)
}

// ahead tells whether an event would be quarantined because of its time.
func (p *player) ahead(e *event.Event) bool {
	return p.options.Future > 0 && e.HasTime && e.Time > time.Now().Add(p.options.Future).UnixMicro()
}

func (p *player) send(ctx context.Context, it sink.Item, e *event.Event) error {
	if e.HasTime {
		if wait := p.pace.wait(e.Time, time.Now()); wait > 0 {
			if err := p.sleep(ctx, wait); err != nil {
				return err
			}
		}
		p.tally.span(e.Time)
	}
	return p.to.Send(ctx, it, p.tally)
}

// sleep waits. What a sink has gathered into a batch goes out before a wait that a viewer would notice.
func (p *player) sleep(ctx context.Context, d time.Duration) error {
	if d > 50*time.Millisecond {
		if err := p.to.Flush(ctx); err != nil {
			return err
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}

// pace tells when an event is due: event time runs speed times as fast as the clock from the first event on. Events that
// are older than one before are due at once.
type pace struct {
	speed   float64 // 0 = everything is due at once
	started bool
	origin  int64 // event time of the first event, microseconds
	at      time.Time
}

func (p *pace) wait(micros int64, now time.Time) time.Duration {
	if p.speed == 0 {
		return 0
	}
	if !p.started {
		p.started, p.origin, p.at = true, micros, now
		return 0
	}
	due := float64(micros-p.origin) * 1e3 / p.speed
	const century = 100 * 365 * 24 * time.Hour
	return p.at.Add(time.Duration(min(due, float64(century)))).Sub(now)
}

type counting struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// decoder makes items of the rows of one file.
type decoder struct {
	decode decode
	source string // of events without one: "replay:<format>"
	prefix string // of ids: hash of the content and "-"
	file   string
	n      int64 // rows so far
	parser event.Parser
	check  event.Event
}

func (in *input) decoder(o Options) *decoder {
	start := int64(0)
	if !o.Start.IsZero() {
		start = o.Start.UnixMicro()
	}
	d := &decoder{
		source: "replay:" + in.format.name,
		prefix: in.source.hash + "-",
		file:   in.source.name,
		parser: event.Parser{Limits: event.Widest}, // those of the installation are judged there
	}
	if in.format.open != nil {
		d.decode = in.format.open(opening{header: in.probe.header, start: start, model: o.Model, name: plainName(in.source.name)})
	}
	return d
}

// plainName takes folder and endings off a file's name.
func plainName(name string) string {
	if name == stdinName {
		return ""
	}
	base := filepath.Base(name)
	for _, end := range []string{".gz", ".zst"} {
		base = strings.TrimSuffix(base, end)
	}
	return strings.TrimSuffix(base, path.Ext(base))
}

// item decodes one row into e and encodes it. What no reader of the topics would take as an event is an error.
func (d *decoder) item(r row, e *event.Event) (sink.Item, error) {
	none := sink.Item{File: d.file}
	n := d.n
	d.n++
	if r.err != nil {
		return none, r.err
	}
	e.Reset()
	if err := d.decode(r, n, e); err != nil {
		return none, err
	}
	it := d.finish(e, n, r.line)
	if bad := d.parser.Parse(it.Value, &d.check); bad != nil {
		return none, bad
	}
	return it, nil
}

// finish gives an event what its format leaves to others, and encodes it. n is its number in the file.
func (d *decoder) finish(e *event.Event, n int64, line int) sink.Item {
	if e.ID == "" {
		e.ID = d.prefix + strconv.FormatInt(n+1, 10)
		if e.Source == "" {
			e.Source = d.source
		}
		if e.Kind == event.LLMRequest && !e.Has(event.RequestID) {
			e.SetText(event.RequestID, e.ID)
		}
	}
	e.Settle()
	it := sink.ItemOf(e)
	it.File, it.Line = d.file, line
	return it
}
