package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// listener reads hxp-alerts for the judge, from what that knew at its start on.
type listener struct {
	*judge
	topic string              // id
	next  map[int32]int64     // where to read on
	waits bool                // the judge waits for its claim to be granted
	until map[int32]bus.Range // which is when all of this is handed over; nil = not known yet
}

// hearing is what the listener has: messages, or that everything is handed over that was in the topic when the judge claimed to tell.
type hearing struct {
	topic   string
	batch   bus.PartitionBatch
	granted bool
}

const (
	listenAgain = 500 * time.Millisecond // after trouble
	// listenLook is the time between two looks at how many partitions there are.
	listenLook = 10 * time.Second
)

// run reads until ctx ends.
func (l *listener) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.read(ctx); ctx.Err() == nil {
			l.log.Debug("decisions of others are read again", "topic", event.TopicAlerts, "reason", err)
			select {
			case <-ctx.Done():
			case <-time.After(listenAgain):
			}
		}
	}
}

var errReshaped = errors.New("the topic has another shape")

func (l *listener) read(ctx context.Context) error {
	shapes, err := l.bus.Shapes(ctx, event.TopicAlerts)
	if err != nil {
		return err
	}
	shape := shapes[event.TopicAlerts]
	logs, err := l.bus.Offsets(ctx, event.TopicAlerts)
	if err != nil {
		return err
	}
	if l.topic != shape.ID {
		l.topic, l.next = shape.ID, map[int32]int64{}
	}
	for p, log := range logs[event.TopicAlerts] {
		l.next[p] = min(max(l.next[p], log.Start), log.End)
	}
	if len(l.next) != shape.Partitions {
		return fmt.Errorf("%s: %w", event.TopicAlerts, errLeader)
	}
	r, err := l.bus.NewReader(map[string]map[int32]int64{event.TopicAlerts: l.next}, bus.ReaderOptions{MaxWait: 5 * time.Second})
	if err != nil {
		return err
	}
	defer r.Close()
	for looked := time.Now(); ; {
		if err := l.poll(ctx, r); err != nil {
			return err
		}
		if time.Since(looked) < listenLook {
			continue
		}
		looked = time.Now()
		if now, err := l.bus.Shapes(ctx, event.TopicAlerts); err == nil && now[event.TopicAlerts] != shape {
			return errReshaped
		}
	}
}

// poll hands over what is there, and grants the judge's claim when its time has come.
func (l *listener) poll(ctx context.Context, r *bus.Reader) error {
	poll, wishes, cancel := l.ear.begin(ctx)
	defer cancel()
	if len(wishes) > 0 || l.waits && l.until == nil {
		l.waits = true
		logs, err := l.bus.Offsets(ctx, event.TopicAlerts)
		if err != nil {
			return err
		}
		l.until = logs[event.TopicAlerts]
	}
	if l.waits && l.reached() {
		l.waits, l.until = false, nil
		return l.hand(ctx, hearing{granted: true})
	}
	poll, stop := context.WithTimeout(poll, listenLook)
	defer stop()
	fetch, err := r.Poll(poll)
	if err != nil && (ctx.Err() != nil || poll.Err() == nil) {
		return err
	}
	for _, b := range fetch {
		if err := l.hand(ctx, hearing{topic: l.topic, batch: b}); err != nil {
			return err
		}
		l.next[b.Partition] = b.Next
		if b.Err != nil {
			return b.Err
		}
	}
	return nil
}

// reached tells whether everything is handed over up to the bounds of the claim.
func (l *listener) reached() bool {
	for p, log := range l.until {
		if l.next[p] < log.End {
			return false
		}
	}
	return true
}

func (l *listener) hand(ctx context.Context, h hearing) error {
	select {
	case l.heard <- h:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
