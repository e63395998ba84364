package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// packet is a frame that claims length bytes and carries body after its key and version.
func packet(length uint32, key, version int16, body ...byte) []byte {
	p := binary.BigEndian.AppendUint32(nil, length)
	p = binary.BigEndian.AppendUint16(p, uint16(key))
	p = binary.BigEndian.AppendUint16(p, uint16(version))
	return append(p, body...)
}

func testGuard(cfg Config) (*guard, *telemetry.Registry) {
	reg := telemetry.NewRegistry()
	vec := reg.CounterVec("hxp_broker_refused_connections_total", "x", "reason")
	return &guard{cfg: cfg.withDefaults(), log: slog.New(slog.DiscardHandler), versions: versions(), refused: vec}, reg
}

func closedByPeer(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; the connection should be closed", n, err)
	}
}

func TestUnknownRequestIsCutOff(t *testing.T) {
	r := start(t, Config{}, nil)
	for name, p := range map[string][]byte{
		"unknown key":     packet(12, 9999, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0),
		"negative key":    packet(12, -1, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0),
		"newer version":   packet(12, kmsg.Produce.Int16(), 99, 0, 0, 0, 1, 0xff, 0xff, 0, 0),
		"below a version": packet(12, kmsg.Metadata.Int16(), -1, 0, 0, 0, 1, 0xff, 0xff, 0, 0),
		"empty frame":     packet(0, 0, 0),
		"HTTP":            []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			before := r.refusals()
			closedByPeer(t, dial(t, r.Addr(), p))
			if r.refusals() != before+1 {
				t.Error("the refusal was not counted")
			}
			alive(t, r.Addr())
		})
	}
}

// Every request that the guard lets through, empty and cut short, in every version: the engine answers or closes, and lives.
func TestEngineOutlivesWhatTheGuardPasses(t *testing.T) {
	r := start(t, Config{}, nil)
	g, _ := testGuard(Config{})
	format := kmsg.NewRequestFormatter()
	for key := range int16(kmsg.MaxKey + 1) {
		for version := int16(0); g.known(key, version) == nil && version < 20; version++ {
			req := kmsg.RequestForKey(key)
			req.SetVersion(version)
			whole := format.AppendRequest(nil, req, 1)
			short := whole[:len(whole)-1]
			binary.BigEndian.PutUint32(whole, uint32(len(whole)-4))
			cut := append(binary.BigEndian.AppendUint32(nil, uint32(max(len(short)-4, frameHead))), short[4:]...)
			greedy := packet(12, key, version, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff)
			for _, p := range [][]byte{whole, cut, greedy} {
				c := dial(t, r.Addr(), p)
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}
		}
	}
	alive(t, r.Addr())
}

func TestLengthIsNotBelieved(t *testing.T) {
	r := start(t, Config{FrameTimeout: 300 * time.Millisecond}, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var conns []net.Conn
	for range 6 {
		conns = append(conns,
			dial(t, r.Addr(), []byte{0xff, 0xff, 0xff, 0xf0}),            // the head does not come
			dial(t, r.Addr(), packet(0xfffffff0, 0, 3)),                  // refused at once
			dial(t, r.Addr(), packet(maxFrame, 0, 3)),                    // allowed, the body does not come
			dial(t, r.Addr(), packet(maxFrame+1, 0, 3)),                  // one byte too many
			dial(t, r.Addr(), packet(maxOther+1, 3, 1)),                  // too long for what it is
			dial(t, r.Addr(), packet(wholeFrame+2, 3, 1, 0, 0, 0, 0, 0)), // short, the body does not come
		)
	}
	for _, c := range conns {
		closedByPeer(t, c)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d MiB were allocated for frames that never came", grown>>20)
	}
	if n := r.refusals(); n != float64(len(conns)) {
		t.Errorf("%v refusals counted, want %d", n, len(conns))
	}
	alive(t, r.Addr())
}

func TestSlowFrameIsCutOff(t *testing.T) {
	for name, sent := range map[string][]byte{
		"head": {0, 0},
		"body": packet(100, 3, 1, 0, 0, 0, 0),
		"long": append(packet(maxFrame, 0, 3), make([]byte, wholeFrame)...),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, reg := testGuard(Config{FrameTimeout: 10 * time.Second})
				ours, theirs := net.Pipe()
				c := &guarded{Conn: ours, guard: g}
				g.open.Add(1)
				left := make(chan struct{})
				go func() { // one byte now and then keeps no frame alive
					defer close(left)
					if _, err := theirs.Write(sent); err != nil {
						return
					}
					for {
						time.Sleep(3 * time.Second)
						if _, err := theirs.Write([]byte{0}); err != nil {
							return
						}
					}
				}()
				began := time.Now()
				_, err := io.Copy(io.Discard, c)
				took := time.Since(began)
				<-left
				if !errors.Is(err, os.ErrDeadlineExceeded) || took != 10*time.Second {
					t.Errorf("ended with %v after %v", err, took)
				}
				if n, _ := reg.Sum("hxp_broker_refused_connections_total"); n != 1 || g.open.Load() != 0 {
					t.Errorf("%v refusals counted, %d connections left", n, g.open.Load())
				}
			})
		})
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	r := start(t, Config{MaxConnections: 20}, nil)
	var conns []net.Conn
	for range 20 {
		conns = append(conns, dial(t, r.Addr(), nil))
	}
	closedByPeer(t, dial(t, r.Addr(), nil)) // the kernel hands connections over in order
	if r.refusals() == 0 {
		t.Error("the refusal was not counted")
	}
	for _, c := range conns {
		_ = c.Close()
	}
	alive(t, r.Addr())
}

// flaky is a listener that is out of descriptors now and then.
type flaky struct {
	net.Listener
	fails int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.fails--; f.fails >= 0 {
		return nil, errors.New("too many open files")
	}
	c, _ := net.Pipe()
	return c, nil
}

func TestAcceptOutlivesAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := testGuard(Config{})
		g.Listener = &flaky{fails: 3}
		if _, err := g.Accept(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzGuard(f *testing.F) {
	meta := packet(14, 3, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0)
	f.Add(meta)
	f.Add(append(bytes.Clone(meta), meta...))
	f.Add(append(bytes.Clone(meta), packet(12, 9999, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0)...))
	f.Add(packet(0xffffffff, 0, 0))
	f.Add(packet(8, 18, 99, 0, 0, 0, 1))
	f.Add(append(packet(wholeFrame+16, 0, 3), make([]byte, wholeFrame+12)...))
	f.Add(packet(maxFrame, 0, 3, 1, 2, 3))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, _ := testGuard(Config{FrameTimeout: time.Minute})
		ours, theirs := net.Pipe()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = theirs.Write(data)
			_ = theirs.Close()
		}()
		passed, _ := io.ReadAll(&guarded{Conn: ours, guard: g})
		_ = ours.Close()
		<-sent
		if !bytes.HasPrefix(data, passed) {
			t.Fatalf("passed on what was not sent: %x", passed)
		}
		for len(passed) > 0 {
			if len(passed) < frameHead {
				t.Fatalf("passed on a part of a head: %x", passed)
			}
			length := binary.BigEndian.Uint32(passed)
			key, version := int16(binary.BigEndian.Uint16(passed[4:])), int16(binary.BigEndian.Uint16(passed[6:]))
			if length > maxFrame || length < frameHead || kmsg.RequestForKey(key) == nil || g.known(key, version) != nil {
				t.Fatalf("passed on key %d version %d of %d bytes", key, version, length)
			}
			passed = passed[min(len(passed), int(length)+4):]
		}
	})
}
