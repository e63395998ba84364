package store

import (
	"context"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitSilence bounds how long sent data may stay unconfirmed.
func limitSilence(_ context.Context, network, _ string, c syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(pgSilence.Milliseconds()))
	})
	return errors.Join(err, failed)
}
