package store

import (
	"net"
	"time"
)

// pgSilence is how long a server may leave what we sent unconfirmed, or a quiet connection unanswered, before the connection
// counts as dead. Without it a server that vanished without a word would hold its callers for a quarter of an hour.
const pgSilence = 30 * time.Second

func pgDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: pgSilence / 2, Interval: pgSilence / 6, Count: 3},
		ControlContext:  limitSilence,
	}
}
