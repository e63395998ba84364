package host

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Intake is the road of events that are made in this process. Take returns when they are written, or with an error; the same
// events again add nothing.
type Intake interface {
	Take(ctx context.Context, events []event.Event) error
}

// Options of a Meter.
type Options struct {
	Intake   Intake
	Hostname string
	Folders  []string // on the file systems that disk_usage speaks of
	Log      *slog.Logger
	Registry *telemetry.Registry
}

// Meter measures the machine.
type Meter struct {
	cfg      Config
	o        Options
	log      *slog.Logger
	proc     string
	gpus     func(ctx context.Context) ([]gpu, error)
	before   *reading
	said     map[string]string // what was logged last, by part
	failures *telemetry.CounterVec
}

// New makes a Meter. Nothing is measured before Run.
func New(cfg Config, o Options) *Meter {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Meter{cfg: cfg, o: o, log: o.Log, proc: "/proc", gpus: askGPUs, said: map[string]string{},
		failures: o.Registry.CounterVec("host_metrics_failures_total", "Readings of this machine that failed at least in part, by part.", "part")}
}

// Run measures until ctx ends.
func (m *Meter) Run(ctx context.Context) error {
	every := m.cfg.Interval.Microseconds()
	for {
		now := time.Now()
		at := time.UnixMicro((now.UnixMicro()/every + 1) * every)
		timer := time.NewTimer(at.Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		m.measure(ctx, at)
	}
}

// measure makes one reading and writes it. What cannot be written before the next one is due is let go: it would be news of
// yesterday.
func (m *Meter) measure(ctx context.Context, at time.Time) {
	r, err := read(m.proc, m.o.Folders)
	m.tell("machine", err)
	var events []event.Event
	if r != nil {
		if e := m.machine(r, at); len(e.Metrics) > 0 {
			events = append(events, e)
		}
		m.before = r
	}
	if m.cfg.GPU {
		list, err := m.gpus(ctx)
		if errors.Is(err, errNoTool) {
			err = nil
		}
		if ctx.Err() == nil {
			m.tell("gpu", err)
		}
		for i := range list {
			events = append(events, m.gpu(&list[i], at))
		}
	}
	if len(events) == 0 || ctx.Err() != nil {
		return
	}
	limit, cancel := context.WithDeadline(ctx, at.Add(m.cfg.Interval))
	defer cancel()
	if err := m.o.Intake.Take(limit, events); ctx.Err() == nil {
		m.tell("write", err)
	}
}

// tell counts a failure, and logs it once until something else comes.
func (m *Meter) tell(part string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
		m.failures.WithLabelValues(part).Inc()
	}
	if text != "" && text != m.said[part] {
		m.log.Warn("host metrics are not complete", "part", part, "error", err)
	}
	m.said[part] = text
}

// begin makes an event of this machine, about the machine itself or one part of it.
func (m *Meter) begin(part string, at time.Time) event.Event {
	var e event.Event
	e.Kind, e.Source, e.Time, e.HasTime = event.SystemMetric, "host", at.UnixMicro(), true
	e.SetText(event.Host, m.o.Hostname)
	h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("host\x00"+m.o.Hostname+"\x00"+part+"\x00"), uint64(e.Time)))
	e.ID = hex.EncodeToString(h[:16])
	return e
}

// machine makes the event of a reading, with what has happened since the one before.
func (m *Meter) machine(r *reading, at time.Time) event.Event {
	e := m.begin("", at)
	add := func(name string, v float64) { e.Metrics = append(e.Metrics, event.Metric{Name: name, Value: v}) }
	if b := m.before; b != nil {
		seconds := r.at.Sub(b.at).Seconds()
		if r.has.io && b.has.io {
			perSecond(add, "disk_read_bytes_per_second", b.io.in, r.io.in, seconds)
			perSecond(add, "disk_written_bytes_per_second", b.io.out, r.io.out, seconds)
		}
		if r.has.net && b.has.net {
			perSecond(add, "network_receive_bytes_per_second", b.net.in, r.net.in, seconds)
			perSecond(add, "network_transmit_bytes_per_second", b.net.out, r.net.out, seconds)
		}
		if all := r.cpu.all - b.cpu.all; r.has.cpu && b.has.cpu && r.cpu.all > b.cpu.all {
			idle := min(r.cpu.idle-min(b.cpu.idle, r.cpu.idle), all) // the kernel's idle time may step back a little
			e.SetFloat(event.CPUUsage, 100*(1-float64(idle)/float64(all)))
		}
	}
	if r.has.load {
		add("load1", r.load)
	}
	if r.has.mem {
		e.SetFloat(event.MemoryUsage, percent(r.mem.available, r.mem.all))
		add("memory_available_bytes", float64(r.mem.available))
		add("memory_total_bytes", float64(r.mem.all))
	}
	if r.has.disk {
		e.SetFloat(event.DiskUsage, percent(r.disk.available, r.disk.all))
		add("disk_available_bytes", float64(r.disk.available))
		add("disk_total_bytes", float64(r.disk.all))
	}
	return e
}

// percent is what is in use.
func percent(available, all uint64) float64 {
	return 100 * (1 - float64(min(available, all))/float64(all))
}

// perSecond leaves a counter out that began again, because an interface or a disk went away.
func perSecond(add func(string, float64), name string, before, now uint64, seconds float64) {
	if now >= before && seconds > 0 {
		add(name, float64(now-before)/seconds)
	}
}

// gpu makes the event of one card.
func (m *Meter) gpu(g *gpu, at time.Time) event.Event {
	e := m.begin(g.index, at)
	field := func(f event.Field, v *float64) {
		if v != nil && *v <= event.Catalogue[f].Max {
			e.SetFloat(f, *v)
		}
	}
	add := func(name string, v *float64) {
		if v != nil {
			e.Metrics = append(e.Metrics, event.Metric{Name: name, Value: *v})
		}
	}
	field(event.GPUUsage, g.busy)
	field(event.PowerW, g.power)
	if g.used != nil && g.free != nil && *g.used+*g.free > 0 {
		e.SetFloat(event.GPUMemoryUsage, 100**g.used/(*g.used+*g.free))
	}
	add("gpu_memory_free_mib", g.free)
	add("gpu_memory_used_mib", g.used)
	add("gpu_sm_clock_mhz", g.clock)
	add("gpu_temperature_celsius", g.temperature)
	e.Extra, _ = json.Marshal(struct { // texts always marshal
		GPU   string `json:"gpu"`
		Model string `json:"gpu_model,omitempty"`
		UUID  string `json:"gpu_uuid,omitempty"`
	}{g.index, g.name, g.uuid})
	return e
}
