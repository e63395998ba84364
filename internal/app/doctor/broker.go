package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// brokers looks at brokers over one connection, which the first check that needs it opens.
type brokers struct {
	plan *Plan
	once sync.Once
	bus  *bus.Bus
	err  error
}

func (b *brokers) checks() []check {
	switch {
	case b.plan.NoBus:
		return nil
	case b.plan.Embedded:
		return []check{{"broker", local, func(context.Context) Finding {
			return ok("the embedded one is started with hxp; KAFKA_BOOTSTRAP_SERVERS and HXP_BROKER name another")
		}}}
	}
	return []check{{"broker", remote, b.answers}, {"topics", 2 * remote, b.topics}, {"clock and brokers", 2 * remote, b.clock}}
}

func (b *brokers) close() {
	b.once.Do(func() { b.err = errors.New("closed") }) // whoever comes late opens nothing
	if b.bus != nil {
		b.bus.Close()
	}
}

// open connects once, for all.
func (b *brokers) open() (*bus.Bus, error) {
	b.once.Do(func() {
		limit := remote - time.Second
		ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("no answer within %s", limit))
		defer cancel()
		b.bus, b.err = bus.Connect(ctx, b.plan.Broker, b.plan.Log)
	})
	return b.bus, b.err
}

func (b *brokers) answers(context.Context) Finding {
	at := strings.Join(b.plan.Broker.Bootstrap, ", ")
	_, err := b.open()
	switch {
	case err == nil:
		return ok("Kafka answers at %s over %s", at, b.plan.Broker.Protocol)
	case errors.Is(err, bus.ErrAccess):
		return fail("set what the line names (docs/runbooks/kafka.md: TLS, SASL and rights)", "%v", err)
	}
	return fail("start the broker, set KAFKA_BOOTSTRAP_SERVERS to where it is, or let hxp start one (HXP_BROKER=embedded with `hxp up`)", "%v", err)
}

// topics compares those of hxp with the configuration.
func (b *brokers) topics(ctx context.Context) Finding {
	conn, err := b.open()
	if err != nil {
		return Finding{} // said by the check above
	}
	if err := conn.CheckRights(ctx, event.Topics); err != nil {
		return fail("give the rights with kafka-acls (docs/runbooks/kafka.md)", "%v", err)
	}
	var names, missing []string
	for _, t := range event.Topics {
		names = append(names, t.Name)
	}
	have, err := conn.Shapes(ctx, names...)
	if err != nil {
		return fail("see that the brokers are well", "topics cannot be listed: %v", err)
	}
	for _, name := range names {
		if _, there := have[name]; !there {
			missing = append(missing, name)
		}
	}
	diffs, err := conn.Differences(ctx, event.Topics)
	if err != nil {
		return fail("see that the brokers are well", "topics cannot be described: %v", err)
	}
	if f := differing(diffs); f.Status != OK {
		return f
	}
	switch {
	case len(missing) == 0:
		return ok("all %d topics of hxp are there, as configured", len(names))
	case len(b.plan.running) > 0:
		return fail("somebody removed them: restart hxp, which makes what is missing", "topics are missing while hxp runs: %s", strings.Join(missing, ", "))
	}
	return ok("of %d topics %d are missing; hxp makes them at the start", len(names), len(missing))
}

// differing tells of topics that are not as configured.
func differing(diffs []bus.TopicDiffers) Finding {
	var loses, other []string
	for _, d := range diffs {
		text := fmt.Sprintf("%s has %s %s, configured is %s", d.Topic, d.Setting, d.Has, d.Configured)
		if d.Loses {
			loses = append(loses, text+" ("+d.Detail+")")
		} else {
			other = append(other, text)
		}
	}
	switch {
	case len(loses) > 0:
		return fail("set it back with `hxp topics alter TOPIC --set NAME=VALUE`, or it costs records", "%s", few(loses))
	case len(other) > 0:
		return warn("`hxp topics alter TOPIC --partitions N` gives more partitions, there are never fewer; or configure what is there (KAFKA_TOPIC_PARTITIONS, KAFKA_TOPIC_REPLICATION_FACTOR)", "%s", few(other))
	}
	return ok("as configured")
}

// apart is how far two clocks may be from each other.
const (
	apartWarn = 2 * time.Second
	apartFail = time.Minute
)

// clock compares ours with the newest record, whose time is that of whoever wrote it: one that is to come says that some clock is wrong.
func (b *brokers) clock(ctx context.Context) Finding {
	conn, err := b.open()
	if err != nil {
		return Finding{}
	}
	newest, err := conn.Newest(ctx)
	if err != nil || newest.IsZero() { // brokers before 3.0 do not tell
		return Finding{}
	}
	return clocks("the newest record of the topics is stamped", newest, time.Now(), false)
}

// clocks judges a time that somebody else tells; exact where it is that of this very moment.
func clocks(who string, told, here time.Time, exact bool) Finding {
	ahead := told.Sub(here)
	off := ahead
	if exact {
		off = max(ahead, -ahead)
	}
	text := fmt.Sprintf("%s %s, and the clock here says %s", who, told.UTC().Format(time.RFC3339), here.UTC().Format(time.RFC3339))
	cure := "let NTP set the clocks of both machines (`timedatectl` shows how they stand): events more than 5 minutes ahead are quarantined, and schedules go by the database's clock"
	switch {
	case off > apartFail:
		return fail(cure, "%s: %s apart", text, off.Round(time.Second))
	case off > apartWarn:
		return warn(cure, "%s: %s apart", text, off.Round(100*time.Millisecond))
	case exact:
		return ok("it is less than %s from the clock here", apartWarn)
	}
	return ok("no record is from a time to come")
}
