// Package brokertest starts the embedded broker inside the test process.
package brokertest

import (
	"context"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/broker"
)

// Start starts a broker that keeps everything in memory and ends with the test. It returns its address.
func Start(tb testing.TB) string {
	tb.Helper()
	return StartWith(tb, broker.Config{}).Addr()
}

// StartWith starts a broker with settings of its own, on a free port. It ends with the test.
func StartWith(tb testing.TB, cfg broker.Config) *broker.Broker {
	tb.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	b, err := broker.New(cfg, nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	select {
	case <-b.Ready():
	case err := <-ended:
		cancel()
		tb.Fatalf("start broker: %v", err)
	}
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("broker: %v", err)
		}
	})
	return b
}
