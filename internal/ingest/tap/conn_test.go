package tap

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair is both ends of a TCP connection; the first one is quick.
func pair(t *testing.T) (net.Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := quickListener{l}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = here.Close(); _ = there.Close() })
	return here, there.(*net.TCPConn)
}

// Everything passes both ways, more than the sockets hold, in whatever pieces.
func TestQuickConnMovesEverything(t *testing.T) {
	here, there := pair(t)
	sent := make([]byte, 8<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if n, err := here.Write(sent); n != len(sent) || err != nil {
			t.Errorf("%d of %d bytes written, %v", n, len(sent), err)
		}
		if err := here.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() { // what is read goes back
		if _, err := io.Copy(there, there); err != nil {
			t.Error(err)
		}
		_ = there.CloseWrite()
	})
	got, err := io.ReadAll(here)
	wg.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
	if n, err := here.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
	if n, err := here.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// Errors are those of the net package: net/http tells by them whether a call may be repeated and who is to blame.
func TestQuickConnErrors(t *testing.T) {
	b := make([]byte, 1<<20)
	for name, c := range map[string]struct {
		does func(here net.Conn, there *net.TCPConn) error
		is   error
		op   string
	}{
		"read after its deadline": {func(here net.Conn, _ *net.TCPConn) error {
			_ = here.SetReadDeadline(time.Unix(1, 0))
			_, err := here.Read(b)
			return err
		}, os.ErrDeadlineExceeded, "read"},
		"write after its deadline": {func(here net.Conn, _ *net.TCPConn) error {
			_ = here.SetWriteDeadline(time.Unix(1, 0))
			_, err := here.Write(b)
			return err
		}, os.ErrDeadlineExceeded, "write"},
		"a close while it reads": {func(here net.Conn, _ *net.TCPConn) error {
			reading := make(chan struct{})
			go func() { <-reading; _ = here.Close() }()
			close(reading)
			_, err := here.Read(b)
			return err
		}, net.ErrClosed, "read"},
		"write when closed": {func(here net.Conn, _ *net.TCPConn) error {
			_ = here.Close()
			_, err := here.Write(b)
			return err
		}, net.ErrClosed, "write"},
		"read when the other side reset": {func(here net.Conn, there *net.TCPConn) error {
			_ = there.SetLinger(0)
			_ = there.Close()
			_, err := here.Read(b)
			return err
		}, syscall.ECONNRESET, "read"},
		"write when nobody reads any more": {func(here net.Conn, there *net.TCPConn) (err error) {
			_ = there.SetLinger(0)
			_ = there.Close()
			_, _ = here.Read(b) // the reset has come
			_, err = here.Write(b)
			return err
		}, syscall.EPIPE, "write"},
	} {
		here, there := pair(t)
		err := c.does(here, there)
		op, ok := errors.AsType[*net.OpError](err)
		if !ok || !errors.Is(err, c.is) || op.Op != c.op || op.Net != "tcp" || op.Addr.String() != there.LocalAddr().String() || op.Timeout() != (c.is == os.ErrDeadlineExceeded) {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

// What a chunk costs is paid for each of thousands a second.
func TestQuickConnAllocatesNothing(t *testing.T) {
	here, there := pair(t)
	var in, out [200]byte
	if n := testing.AllocsPerRun(200, func() {
		if _, err := here.Write(out[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(there, in[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Write(out[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(here, in[:]); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a piece there and back", n)
	}
}
