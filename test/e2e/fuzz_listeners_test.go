package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// seeds are beginnings of what clients say, by the kind of listener. They are spoilt before they are sent.
var seeds = map[string][]string{
	"http": {
		"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 61\r\n\r\n" + `{"event_type":"llm_request","data":{"model":"m","x":[1,2,3]}}`,
		"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n",
		"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 12\r\n\r\n\x0a\x0a\x0a\x08\x12\x06\x12\x04\x0a\x02ab",
		"POST /ingest/prometheus HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: 8\r\n\r\n\x06\x14\x0a\x04\x0a\x02\x08\x01",
		"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: hxp.v1+json\r\n\r\n\x81\x85\x01\x02\x03\x04abcde\x89\x80\x00\x00\x00\x00",
		"GET /stream?topics=metrics,events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
		"GET /analytics?window=300&group_by=model HTTP/1.1\r\nHost: x\r\n\r\n",
		"PUT /rules/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\nContent-Length: 20\r\n\r\nname: x\ntype: ratio\n",
		"POST /dead-letters/redrive HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n" + `{"filter":{},"dry_run":true,"x":1`,
		"GET /api/v2/dags HTTP/1.1\r\nHost: x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	},
	"kafka": {
		frame(18, 3, "\x00\x06accept\x07client\x021\x00"), frame(3, 1, "\x00\x06accept\x00\x00\x00\x00"), frame(0, 3, "\x00\x06accept\xff\xff\x00\x01\x00\x00\x07\xd0\x00\x00\x00\x00"),
		frame(1, 4, "\x00\x06accept\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x10\x00\x00\x00\x00\x00\x00\x00"), frame(10, 1, "\x00\x06accept\x00\x01g\x00"), frame(19, 2, "\x00\x06accept\x00\x00\x00\x01\x00\x01t"),
		frame(11, 2, "\x00\x06accept\x00\x01g\x00\x00\x10\x00"), frame(2, 1, "\x00\x06accept\xff\xff\xff\xff\x00\x00\x00\x01"), "\x7f\xff\xff\xff",
	},
	"grpc": {
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x08\x06\x00\x00\x00\x00\x00abcdefgh\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff",
		"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
	},
}

// frame is a request of the Kafka protocol.
func frame(key, version uint8, rest string) string {
	size := 8 + len(rest)
	return string([]byte{0, 0, byte(size >> 8), byte(size), 0, key, 0, version, 0, 0, 0, 1}) + rest
}

// spoil changes bytes of a seed.
func spoil(r *rand.Rand, seed string) []byte {
	b := []byte(seed)
	for range r.IntN(6) {
		i := r.IntN(len(b))
		switch r.IntN(5) {
		case 0:
			b[i] = byte(r.Uint32())
		case 1:
			b[i] ^= 1 << r.IntN(8)
		case 2:
			b = append(b[:i:i], b[min(len(b), i+1+r.IntN(8)):]...)
		case 3:
			b = append(b[:i:i], append([]byte(strings.Repeat(string(rune(r.IntN(128))), r.IntN(2000))), b[i:]...)...)
		default:
			b = append(b, b[i:]...)
		}
		if len(b) == 0 {
			return []byte{0}
		}
	}
	return b
}

// TestRealFuzzListeners says spoilt things to every listener at once, for 15 seconds or HXP_FUZZ=10m. The process stays, every service answers
// at the end, good events are counted beside, and after a minute or more memory is no more than 64 MiB above where it was.
func TestRealFuzzListeners(t *testing.T) {
	need(t, "", "the listeners")
	lasts, err := time.ParseDuration(os.Getenv("HXP_FUZZ"))
	if err != nil {
		lasts = 15 * time.Second
	}
	h := prepare(t, "127.0.0.1:0")
	grpc := "127.0.0.1:" + free(t)
	h.env = append(h.env, "HXP_OTLP_GRPC_LISTEN="+grpc)
	h.up(t)
	targets := map[string]string{"kafka": h.url("kafka"), "grpc": grpc}
	for _, s := range []string{"kafka-api", "event-processing-api", "batch-processing-api", "data-streaming-api", "scheduler", "operations", "business", "performance", "system"} {
		u, err := url.Parse(h.url(s))
		if err != nil {
			t.Fatal(err)
		}
		targets[s] = u.Host
	}
	hour := time.Now().UTC().Truncate(time.Hour).Add(-3 * time.Hour)
	h.send(t, generate(1, 200, "fuzz-before", hour))
	var said atomic.Int64
	round := func(lasts time.Duration, seed uint64) {
		var all sync.WaitGroup
		end := time.Now().Add(lasts)
		for name, addr := range targets {
			kind := name
			if seeds[kind] == nil {
				kind = "http"
			}
			all.Go(func() {
				r := rand.New(rand.NewPCG(seed, uint64(len(name))<<8|uint64(name[0])))
				for time.Now().Before(end) {
					say(r, addr, kind)
					said.Add(1)
				}
			})
		}
		all.Wait()
	}
	round(lasts/5, 1) // what is made once is made
	mib := residentMiB(t, h.cmd.Process.Pid)
	round(lasts, 2)
	select {
	case <-h.done:
		t.Fatalf("the process ended: %s", h.logTail(3000))
	default:
	}
	for _, s := range []string{"kafka-api", "event-processing-api", "batch-processing-api", "data-streaming-api"} {
		if res, body, err := call("GET", h.url(s)+"/health/live", nil, nil); err != nil || res.StatusCode != 200 {
			t.Errorf("%s: %v %s", s, err, body)
		}
	}
	good := generate(2, 200, "fuzz-after", hour)
	h.send(t, good)
	if lasts >= time.Minute {
		eventually(t, time.Minute, fmt.Sprintf("memory is less than 64 MiB above %d MiB", mib), func() bool { return residentMiB(t, h.cmd.Process.Pid) < mib+64 })
	}
	t.Logf("%d spoilt conversations; %d MiB before, %d after", said.Load(), mib, residentMiB(t, h.cmd.Process.Pid))
}

// say opens a connection, says something spoilt in one or two pieces, hears a little, and leaves.
func say(r *rand.Rand, addr, kind string) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return // the listener has as many as it may have
	}
	defer c.Close()
	text := seeds[kind][r.IntN(len(seeds[kind]))]
	b := []byte(text)
	if r.IntN(8) > 0 {
		b = spoil(r, text)
	}
	_ = c.SetDeadline(time.Now().Add(time.Duration(20+r.IntN(100)) * time.Millisecond)) // a deadline in the past is what is wanted of a silent peer
	cut := len(b)
	if r.IntN(4) == 0 {
		cut = r.IntN(len(b) + 1)
	}
	if _, err := c.Write(b[:cut]); err == nil {
		_, _ = c.Write(b[cut:])
		_, _ = io.CopyN(io.Discard, c, 64<<10)
	}
}
