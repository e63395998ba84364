// Package bustest gives tests of other rooms a bus with a broker behind it.
package bustest

import (
	"context"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/broker/brokertest"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// New starts a broker in this process and returns a bus on it, with topics made (event.Topics when none are named).
// Both end with the test.
func New(tb testing.TB, topics ...event.Topic) *bus.Bus {
	tb.Helper()
	b, _ := Start(tb, topics...)
	return b
}

// Start is New that also tells the broker's address.
func Start(tb testing.TB, topics ...event.Topic) (*bus.Bus, string) {
	tb.Helper()
	addr := brokertest.Start(tb)
	b := Connect(tb, addr)
	if len(topics) == 0 {
		topics = event.Topics
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.EnsureTopics(ctx, topics); err != nil {
		tb.Fatalf("make topics: %v", err)
	}
	return b, addr
}

// Connect opens one more bus on a broker; it ends with the test.
func Connect(tb testing.TB, addr string) *bus.Bus {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{Bootstrap: []string{addr}}, nil)
	if err != nil {
		tb.Fatalf("connect to %s: %v", addr, err)
	}
	tb.Cleanup(b.Close)
	return b
}
