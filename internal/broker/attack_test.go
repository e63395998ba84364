package broker_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/broker"
)

// Defect of the engine: an unknown API key in 16 bytes is a nil dereference, which ends the process.
func TestUnknownAPIKeyCostsTheConnectionOnly(t *testing.T) {
	addr := start(t)
	for _, key := range []uint16{999, 0x7fff, 0xffff, 55, 75} { // 75 is known to the engine and switched off
		c := dial(t, addr)
		packet := binary.BigEndian.AppendUint32(nil, 12)
		packet = binary.BigEndian.AppendUint16(packet, key)
		packet = append(packet, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0)
		if _, err := c.Write(packet); err != nil {
			t.Fatal(err)
		}
		closedByBroker(t, c)
	}
	alive(t, addr)
}

// Defect of the engine: four bytes make it allocate what they say, up to 4 GiB.
func TestLengthAloneCostsNothing(t *testing.T) {
	addr := start(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, length := range []uint32{1<<32 - 1, 1 << 31, 33 << 20} {
		for range 6 {
			c := dial(t, addr)
			packet := binary.BigEndian.AppendUint32(nil, length)
			if _, err := c.Write(append(packet, 0, 0, 0, 9)); err != nil { // produce
				t.Fatal(err)
			}
			closedByBroker(t, c)
		}
	}
	var open []net.Conn
	for range 6 { // an allowed length, of which a few bytes come
		c := dial(t, addr)
		packet := binary.BigEndian.AppendUint32(nil, 32<<20)
		if _, err := c.Write(append(packet, 0, 0, 0, 9, 0, 0, 0, 1)); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	alive(t, addr)
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 16<<20 {
		t.Errorf("%d MiB were allocated for lengths without bytes", grown>>20)
	}
	for _, c := range open {
		c.Close()
	}
}

func TestLargeFramesAreForProduceOnly(t *testing.T) {
	addr := start(t)
	c := dial(t, addr)
	packet := binary.BigEndian.AppendUint32(nil, 2<<20)
	if _, err := c.Write(append(packet, 0, 3, 0, 7)); err != nil { // metadata
		t.Fatal(err)
	}
	closedByBroker(t, c)
}

func TestUnknownVersions(t *testing.T) {
	addr := start(t)
	for _, head := range [][]byte{{0, 3, 0, 99}, {0, 3, 0xff, 0xff}, {0, 19, 0, 5}, {0, 18, 0xff, 0xff}} {
		c := dial(t, addr)
		if _, err := c.Write(append(append([]byte{0, 0, 0, 12}, head...), 0, 0, 0, 1, 0xff, 0xff, 0, 0)); err != nil {
			t.Fatal(err)
		}
		closedByBroker(t, c)
	}
	// A newer client's first question is answered by what we serve.
	c := dial(t, addr)
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(4)
	req.ClientSoftwareName, req.ClientSoftwareVersion = "future", "9.9"
	frame := request(req)
	binary.BigEndian.PutUint16(frame[6:], 12)
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 10)
	if _, err := c.Read(answer); err != nil {
		t.Fatal(err)
	}
	if code := binary.BigEndian.Uint16(answer[8:]); code != 35 {
		t.Errorf("error code %d, want 35 (unsupported version)", code)
	}
}

func TestSlowHeadIsCutOff(t *testing.T) {
	b := run(t, broker.Config{FrameTimeout: 150 * time.Millisecond, IdleTimeout: time.Hour}, nil)
	defer b.stop(t)
	for _, packet := range [][]byte{{0}, {0, 0, 0, 12, 0}, {0, 0, 0, 12, 0, 3, 0, 7, 0}} {
		c := dial(t, b.Addr())
		if _, err := c.Write(packet); err != nil {
			t.Fatal(err)
		}
		closedByBroker(t, c)
	}
	quiet := dial(t, b.Addr()) // says nothing: may stay
	alive(t, b.Addr())
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(7)
	ask(t, quiet, req)
}

func TestIdleConnectionEnds(t *testing.T) {
	b := run(t, broker.Config{IdleTimeout: 100 * time.Millisecond}, nil)
	defer b.stop(t)
	closedByBroker(t, dial(t, b.Addr()))
}

func TestConnectionCap(t *testing.T) {
	b := run(t, broker.Config{MaxConnections: 5}, nil)
	defer b.stop(t)
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(7)
	var open []net.Conn
	for range 5 {
		c := dial(t, b.Addr())
		ask(t, c, req)
		open = append(open, c)
	}
	closedByBroker(t, dial(t, b.Addr()))
	open[0].Close()
	for try := 0; ; try++ { // the broker sees the end of a connection a moment later
		c := dial(t, b.Addr())
		if _, err := c.Write(request(req)); err == nil {
			if _, err := c.Read(make([]byte, 4)); err == nil {
				break
			}
		}
		if try > 1000 {
			t.Fatal("a closed connection does not make room")
		}
		runtime.Gosched()
	}
}

// Defect of the engine: two processes open one folder without a word and spoil it.
func TestTwoOnOneFolder(t *testing.T) {
	dir := t.TempDir()
	b := run(t, broker.Config{Dir: dir}, nil)
	defer b.stop(t)
	second, err := broker.New(broker.Config{Dir: dir, Addr: "127.0.0.1:0"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = second.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("got %v", err)
	}
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), childDir+"="+dir)
	if out, _ := other.CombinedOutput(); !strings.Contains(string(out), "in use") {
		t.Fatalf("another process said %s", out)
	}
}

func TestPortInUse(t *testing.T) {
	addr := start(t)
	second, err := broker.New(broker.Config{Addr: addr}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "KAFKA_BOOTSTRAP_SERVERS") {
		t.Fatalf("got %v", err)
	}
}

// Requests without end of random shape: the engine must never see one that ends it.
func TestGarbageBehindGoodHeads(t *testing.T) {
	addr := start(t)
	seed := uint64(42)
	random := func() byte {
		seed = seed*6364136223846793005 + 1442695040888963407
		return byte(seed >> 56)
	}
	for key := range 93 {
		for version := range 4 {
			c := dial(t, addr)
			for range 5 {
				n := int(random())
				packet := binary.BigEndian.AppendUint32(nil, uint32(10+n))
				packet = append(packet, 0, byte(key), 0, byte(version), 0, 0, 0, 1, 0xff, 0xff)
				for range n {
					b := random()
					if random()&1 == 0 {
						b &= 3 // small counts get further
					}
					packet = append(packet, b)
				}
				if _, err := c.Write(packet); err != nil {
					break
				}
			}
			c.Close()
		}
	}
	alive(t, addr)
}

// Every request that the guard lets through, whole, cut short and greedy, in every version: the engine answers or closes, and
// lives.
func TestEngineOutlivesWhatTheGuardPasses(t *testing.T) {
	addr := start(t)
	format := kmsg.NewRequestFormatter()
	for key := range int16(kmsg.MaxKey + 1) {
		for version := range kmsg.RequestForKey(key).MaxVersion() + 1 {
			req := kmsg.RequestForKey(key)
			req.SetVersion(version)
			whole := format.AppendRequest(nil, req, 1)
			cut := append(binary.BigEndian.AppendUint32(nil, uint32(max(len(whole)-5, 10))), whole[4:len(whole)-1]...)
			greedy := append(binary.BigEndian.AppendUint32(nil, 14), byte(key>>8), byte(key), 0, byte(version), 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff)
			for _, packet := range [][]byte{whole, cut, greedy, append(whole, whole...)} {
				c := dial(t, addr)
				if _, err := c.Write(packet); err != nil {
					t.Fatal(err)
				}
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			}
		}
	}
	alive(t, addr)
}

func ExampleBroker_Durability() {
	b, _ := broker.New(broker.Config{Addr: "127.0.0.1:0", Dir: "data"}, nil, nil)
	fmt.Println(b.Durability())
	// Output: survives a killed process, not a power cut
}
