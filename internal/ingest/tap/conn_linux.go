package tap

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// quickConn reads and writes without telling the scheduler of each system call. A socket of the net package never blocks in one,
// so there is nothing that the scheduler would do meanwhile; but the call of a process that was idle, as a tap is between two
// chunks, first wakes the runtime's monitor: a futex on the way of each chunk, and a thread that then looks around every 20 µs
// beside those that work, a quarter of the time of the whole process. All else, deadlines and waiting too, is net.TCPConn's.
type quickConn struct {
	*net.TCPConn
	raw    syscall.RawConn
	rd, wr transfer
}

// transfer is one direction of a quickConn.
type transfer struct {
	sync.Mutex
	trap uintptr
	try  func(fd uintptr) bool // step or rest, made once
	b    []byte
	n    int
	err  syscall.Errno
}

// quick makes a TCP connection a quickConn.
func quick(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	q := &quickConn{TCPConn: tcp, raw: raw}
	q.rd.trap, q.rd.try = syscall.SYS_READ, q.rd.step
	q.wr.trap, q.wr.try = syscall.SYS_WRITE, q.wr.rest
	return q
}

// step makes one system call; false asks to wait until the socket is ready.
func (t *transfer) step(fd uintptr) bool {
	for {
		n, _, err := syscall.RawSyscall(t.trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.b[t.n:]))), uintptr(len(t.b)-t.n))
		switch err {
		case 0:
			t.n += int(n)
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.err = err
			return true
		}
	}
}

// rest makes steps until nothing is left.
func (t *transfer) rest(fd uintptr) bool {
	for t.n < len(t.b) && t.err == 0 {
		if !t.step(fd) {
			return false
		}
	}
	return true
}

// run moves b; the error is that of the wait or of the call.
func (t *transfer) run(wait func(func(fd uintptr) bool) error, b []byte) (n int, errno syscall.Errno, err error) {
	t.Lock()
	defer t.Unlock()
	t.b, t.n, t.err = b, 0, 0
	err = wait(t.try)
	t.b = nil
	return t.n, t.err, err
}

// Read implements net.Conn.
func (q *quickConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, errno, err := q.rd.run(q.raw.Read, b)
	switch {
	case err != nil:
		return 0, q.failed("read", err)
	case errno != 0:
		return 0, q.failed("read", os.NewSyscallError("read", errno))
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (q *quickConn) Write(b []byte) (int, error) {
	n, errno, err := q.wr.run(q.raw.Write, b)
	if err == nil && errno != 0 {
		err = os.NewSyscallError("write", errno)
	}
	if err != nil {
		return n, q.failed("write", err)
	}
	return n, nil
}

// failed names the connection, as the net package does; net/http tells errors apart by it.
func (q *quickConn) failed(op string, err error) error {
	if of, ok := err.(*net.OpError); ok {
		err = of.Err // of the wait: "raw-read"
	}
	return &net.OpError{Op: op, Net: "tcp", Source: q.LocalAddr(), Addr: q.RemoteAddr(), Err: err}
}
