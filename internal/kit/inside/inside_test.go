package inside_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/inside"
)

func TestOneProcessTalksToItself(t *testing.T) {
	l := inside.Listen()
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		if !inside.From(c) || c.RemoteAddr().String() != "127.0.0.1:0" {
			done <- errors.New("it does not tell where it came from")
			return
		}
		_, err = io.Copy(c, io.LimitReader(c, 5))
		done <- errors.Join(err, c.Close())
	}()
	c, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if back, err := io.ReadAll(c); err != nil || string(back) != "hello" {
		t.Errorf("%q, %v", back, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if inside.From(c) {
		t.Error("the end of the caller is taken for that of the server")
	}
}

func TestAClosedListenerLetsNobodyWait(t *testing.T) {
	l := inside.Listen()
	gone, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := l.Dial(gone); !errors.Is(err, why) {
		t.Errorf("dialing with a context that has ended: %v", err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialing: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepting: %v", err)
	}
}
