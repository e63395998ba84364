package broker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/kit/conns"
)

func emptyBatch() []byte {
	rec := kmsg.Record{Value: []byte("v")}
	rec.Length = int32(len(rec.AppendTo(nil)) - 1)
	b := kmsg.RecordBatch{Magic: 2, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: rec.AppendTo(nil)}
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	out := b.AppendTo(nil)
	b.CRC = int32(crc32.Checksum(out[21:], castagnoli))
	return b.AppendTo(nil)
}

func produceFrame(version int16, acks int16, topics ...string) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(version)
	req.Acks = acks
	for i, name := range topics {
		rt := kmsg.NewProduceRequestTopic()
		rt.Topic, rt.TopicID = name, [16]byte{byte(i + 1)}
		for p := range int32(2) {
			part := kmsg.NewProduceRequestTopicPartition()
			part.Partition, part.Records = p, emptyBatch()
			rt.Partitions = append(rt.Partitions, part)
		}
		req.Topics = append(req.Topics, rt)
	}
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("x")).AppendRequest(nil, req, 5)
}

func TestWalkProduceReadsEveryVersion(t *testing.T) {
	for version := int16(3); version <= 13; version++ {
		frame := produceFrame(version, -1, "a", "b", "c")
		h, err := parseHead(frame, versions())
		if err != nil {
			t.Fatal(err)
		}
		corr, header, rest, err := body(h, frame)
		if err != nil || corr != 5 || len(header)+len(rest) != len(frame) {
			t.Fatalf("version %d: %d, %v", version, corr, err)
		}
		var p produced
		if err := walkProduce(version, rest, &p, true); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if p.acks != -1 || p.batches != 6 || p.bytes != int64(6*len(emptyBatch())) || len(p.topics) != 3 || len(p.topics[1].Partitions) != 2 {
			t.Errorf("version %d: %+v", version, p)
		}
		if version < 13 && p.topics[1].Topic != "b" || version >= 13 && p.topics[1].TopicID != [16]byte{2} {
			t.Errorf("version %d: %+v", version, p.topics)
		}
		answer := encodeAnswer(corr, refuseProduce(version, &p, "full"))
		resp := kmsg.NewPtrProduceResponse()
		resp.SetVersion(version)
		at := 8
		if resp.IsFlexible() {
			at++
		}
		if err := resp.ReadFrom(answer[at:]); err != nil || len(resp.Topics) != 3 || resp.Topics[2].Partitions[1].ErrorCode != 56 {
			t.Errorf("version %d: answer %+v, %v", version, resp, err)
		}
	}
}

func TestFetchIsClamped(t *testing.T) {
	for version := int16(3); version <= 18; version++ {
		req := kmsg.NewPtrFetchRequest()
		req.SetVersion(version)
		if highest, ok := versions().LookupMaxKeyVersion(1); !ok || version > highest {
			break
		}
		for _, wish := range []int32{1<<31 - 1, -1, 1000} {
			req.MaxBytes = wish
			frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
			h, err := parseHead(frame, versions())
			if err != nil {
				t.Fatal(err)
			}
			_, _, rest, err := body(h, frame)
			if err != nil {
				t.Fatal(err)
			}
			clampFetch(h, rest)
			got := kmsg.NewPtrFetchRequest()
			got.SetVersion(version)
			if err := got.ReadFrom(rest); err != nil {
				t.Fatal(err)
			}
			want := wish
			if wish < 0 || wish > maxFetch {
				want = maxFetch
			}
			if got.MaxBytes != want || got.MinBytes != req.MinBytes || got.MaxWaitMillis != req.MaxWaitMillis {
				t.Errorf("version %d: asked for %d, passed on %d", version, wish, got.MaxBytes)
			}
		}
	}
}

// passAll lets every known request through, as the real rules do with most.
type passAll struct{}

func (passAll) permit(_ *rights, _ head, frame []byte) (verdict, error) {
	return verdict{frame: frame}, nil
}

func (passAll) judge(h head, frame []byte) (verdict, error) {
	if kmsg.Key(h.key) != kmsg.Produce {
		return verdict{frame: frame}, nil
	}
	_, _, rest, err := body(h, frame)
	if err != nil {
		return verdict{}, err
	}
	var p produced
	return verdict{frame: frame, mute: true}, walkProduce(h.version, rest, &p, true)
}

// stranger is a connection whose client sent some bytes and went.
type stranger struct {
	net.Conn
	sent io.Reader
}

func (s stranger) Read(p []byte) (int, error)     { return s.sent.Read(p) }
func (stranger) Close() error                     { return nil }
func (stranger) SetReadDeadline(time.Time) error  { return nil }
func (stranger) SetWriteDeadline(time.Time) error { return nil }
func (stranger) RemoteAddr() net.Addr             { return hostPort("stranger:1") }

// What the engine gets is a whole number of requests, a prefix of what was sent, each with a head that is served; and the
// memory for it is in proportion to what was sent, not to what it claims.
func FuzzGuard(f *testing.F) {
	meta := kmsg.NewPtrMetadataRequest()
	meta.SetVersion(7)
	good := kmsg.NewRequestFormatter().AppendRequest(nil, meta, 1)
	f.Add(good)
	f.Add(append(good, good...))
	f.Add(append(good, good[:7]...))
	f.Add([]byte{0, 0, 0, 12, 3, 231, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{0, 0, 0, 1, 0, 3, 0, 7})
	f.Add(produceFrame(7, -1, "a"))
	f.Add(produceFrame(9, 0, "a", "b"))
	f.Add(append(produceFrame(13, 1, "a"), good...))
	f.Fuzz(func(t *testing.T, sent []byte) {
		b, err := New(Config{Addr: "x:1"}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := &guard{cfg: b.cfg, log: b.log, allowed: versions(), rules: passAll{}, refused: b.refused, open: map[*conn]struct{}{}}
		c := g.guarded(stranger{sent: bytes.NewReader(sent)})
		got, err := io.ReadAll(c)
		if err != nil {
			if _, ok := errors.AsType[*violation](err); !ok && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
				t.Fatalf("unexpected %v", err)
			}
		}
		if !bytes.HasPrefix(sent, got) {
			t.Fatal("what was passed on was not sent")
		}
		for rest := got; len(rest) > 0; {
			if len(rest) < headBytes {
				t.Fatal("half a head was passed on")
			}
			h, err := parseHead(rest, g.allowed)
			if err != nil || len(rest) < 4+h.length {
				t.Fatalf("passed on: %v, %d of %d bytes", err, len(rest), h.length)
			}
			rest = rest[4+h.length:]
		}
		if held := g.held.Load(); held > int64(4*len(sent)+1024) {
			t.Fatalf("%d bytes held for %d sent", held, len(sent))
		}
		_ = c.Close()
		if held := g.held.Load(); held != 0 {
			t.Fatalf("%d bytes held by a closed connection", held)
		}
	})
}

// A client that sends a byte now and then keeps no request alive.
func TestSlowRequestIsCutOff(t *testing.T) {
	for name, tc := range map[string]struct {
		sent []byte
		took time.Duration
	}{
		"head": {[]byte{0, 0}, 3 * time.Second},
		"body": {[]byte{0, 0, 0, 100, 0, 3, 0, 1, 0, 0}, 9 * time.Second},
		"long": {append([]byte{2, 0, 0, 0, 0, 0, 0, 9}, make([]byte, 100_000)...), 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, err := New(Config{Addr: "x:1", FrameTimeout: 9 * time.Second}, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				g := &guard{cfg: b.cfg, log: b.log, allowed: versions(), rules: passAll{}, refused: b.refused, open: map[*conn]struct{}{}}
				ours, theirs := net.Pipe()
				c := g.guarded(ours)
				left := make(chan struct{})
				go func() {
					defer close(left)
					_, err := theirs.Write(tc.sent)
					for ; err == nil; _, err = theirs.Write([]byte{0}) {
						time.Sleep(2 * time.Second)
					}
				}()
				began := time.Now()
				_, err = io.Copy(io.Discard, c)
				took := time.Since(began)
				_ = c.Close()
				<-left
				if v, ok := errors.AsType[*violation](err); !ok || v.Reason != "slow" || took != tc.took {
					t.Errorf("ended with %v after %v", err, took)
				}
			})
		})
	}
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
	return stranger{}, nil
}

func TestAcceptOutlivesAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := New(Config{Addr: "x:1"}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := &guard{Listener: &flaky{fails: 3}, cfg: b.cfg, log: b.log, places: conns.New(1, 1, nil), open: map[*conn]struct{}{}}
		g.insideOut.Store(true)
		if _, err := g.Accept(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzJudge(f *testing.F) {
	for _, key := range []int16{0, 1, 19, 21, 33, 37, 44} {
		req := kmsg.RequestForKey(key)
		highest, _ := versions().LookupMaxKeyVersion(key)
		req.SetVersion(highest)
		f.Add(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1))
	}
	f.Add(produceFrame(13, 1, "a"))
	b, err := New(Config{Addr: "x:1", MaxBytes: 1}, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	b.usage.bytes.Store(2) // full
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	b.engine.inside = ours
	b.guard = &guard{allowed: versions()}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < headBytes {
			return
		}
		h, err := parseHead(frame, versions())
		if err != nil || 4+h.length != len(frame) {
			return
		}
		if v, err := b.judge(h, frame); err == nil && v.answer != nil {
			encodeAnswer(v.corr, v.answer)
		}
	})
}

func TestLargeFrameGrowsAsItArrives(t *testing.T) {
	held, peak := 0, 0
	frame := binary.BigEndian.AppendUint32(nil, 8<<20)
	frame = append(frame, 0, 0, 0, 9)
	frame = append(frame, make([]byte, 8<<20-4)...)
	fr := frames{src: bufio.NewReaderSize(bytes.NewReader(append(frame, frame[:100]...)), readBuffer), allowed: versions(), deadline: func(time.Duration) {},
		reserve: func(n int) bool { held += n; peak = max(peak, held); return true }}
	h, got, err := fr.next()
	if err != nil || h.length != 8<<20 || !bytes.Equal(got, frame) {
		t.Fatal(h, err)
	}
	if peak != len(frame) {
		t.Errorf("%d bytes held for a frame of %d", peak, len(frame))
	}
	if _, _, err := fr.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if held > 1<<20 {
		t.Errorf("%d bytes are kept after a large frame", held)
	}
}
