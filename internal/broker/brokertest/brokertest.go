// Package brokertest starts a Kafka broker inside the test process.
package brokertest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Start starts a broker that keeps everything in memory and ends with the test. It returns its address.
func Start(tb testing.TB) string {
	tb.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DefaultNumPartitions(3))
	if err != nil {
		tb.Fatalf("start broker: %v", err)
	}
	tb.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}
