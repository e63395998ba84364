package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// logLine is a log record on its way to a collector.
type logLine struct {
	at      time.Time
	level   slog.Level
	message string
	attrs   []otlpPair // read at once: what they point to may change
	trace   Trace
}

// Tee makes a logger that writes what log writes, and sends it to the collector too.
func (x *Exporter) Tee(log *slog.Logger) *slog.Logger {
	return slog.New(&tee{Handler: log.Handler(), out: x})
}

// tee is a slog.Handler before another one.
type tee struct {
	slog.Handler
	out    *Exporter
	groups []string    // that are open
	attrs  []slog.Attr // of With, in their groups
}

func (t *tee) Handle(ctx context.Context, r slog.Record) error {
	own := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		own = append(own, a)
		return true
	})
	t.out.line(logLine{r.Time, r.Level, r.Message, pairs(append(slices.Clip(t.attrs), t.within(own)...)), TraceOf(ctx)})
	return t.Handler.Handle(ctx, r)
}

func (t *tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &tee{t.Handler.WithAttrs(attrs), t.out, t.groups, append(slices.Clip(t.attrs), t.within(attrs)...)}
}

func (t *tee) WithGroup(name string) slog.Handler {
	if name == "" {
		return t
	}
	return &tee{t.Handler.WithGroup(name), t.out, append(slices.Clip(t.groups), name), t.attrs}
}

// within puts attributes into the groups that are open.
func (t *tee) within(attrs []slog.Attr) []slog.Attr {
	for _, g := range slices.Backward(t.groups) {
		attrs = []slog.Attr{{Key: g, Value: slog.GroupValue(attrs...)}}
	}
	return attrs
}
