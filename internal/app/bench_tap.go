package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/tap"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// The traffic of the measurement of the tap.
const (
	tapStreams    = 1000 // open through the tap at every moment
	directStreams = 100  // open beside it at every moment, to the same upstream without it
	tapChunks     = 20   // of one answer
)

// tapPaces are the pauses between two chunks of a stream: 5,000 and 10,000 chunks a second in all. Client, upstream and tap share
// the machine, so the faster pace shows more of how they wait for each other.
var tapPaces = [...]time.Duration{200 * time.Millisecond, 100 * time.Millisecond}

// benchTap measures what the tap adds to each chunk of a stream, from the moment in which the upstream wrote it to that in which
// the client has read it. Streams through the tap and streams without it run at the same time against one upstream, whose
// chunks carry the time, so both see the same machine in the same state; what is added is the difference between the
// quantiles of the two. Noise is the same difference between two halves of the direct streams: what the load generator
// shows where nothing was added.
func benchTap(ctx context.Context, s *system, d time.Duration) (map[string]any, error) {
	b, err := bus.Connect(ctx, bus.Config{Bootstrap: []string{s.broker.Addr()}}, s.log)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := b.EnsureTopics(ctx, event.Topics); err != nil {
		return nil, err
	}
	fewCollections()
	upstream, closeUpstream, err := benchUpstream()
	if err != nil {
		return nil, err
	}
	defer closeUpstream()
	t, err := tap.New(tap.Config{Listen: "127.0.0.1:0", Upstream: upstream, Spill: filepath.Join(s.set.dataDir, "tap"), Drain: time.Second},
		func(context.Context) (tap.Writer, error) { return b.NewProducer(bus.ProducerOptions{}) }, telemetry.NewRegistry(), s.log)
	if err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- t.Run(work) }()
	var results [len(tapPaces)]map[string]any
	calls := 0
	for i, pace := range tapPaces {
		var seen tapSeen
		if seen, err = tapTraffic(ctx, "http://"+t.Addr(), upstream.String(), pace, d/time.Duration(len(tapPaces))); err != nil {
			break
		}
		calls += seen.calls
		results[i] = seen.results(pace)
	}
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return nil, err
	}
	if got := t.Stats(); got.Delivered != uint64(calls) || got.Dropped > 0 {
		return nil, fmt.Errorf("%d calls went through the tap, %d events were delivered and %d dropped", calls, got.Delivered, got.Dropped)
	}
	results[0]["faster"] = results[1]
	return results[0], nil
}

// benchUpstream is an OpenAI-compatible server whose answers are chunks with the time at which they were written.
func benchUpstream() (*url.URL, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		pace, err := time.ParseDuration(r.URL.Query().Get("pace"))
		if err != nil || pace <= 0 {
			http.Error(w, "name the pace", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		out := http.NewResponseController(w)
		tick := time.NewTicker(pace)
		defer tick.Stop()
		var line []byte
		for n := range tapChunks {
			if n > 0 {
				<-tick.C
			}
			line = append(line[:0], benchChunk...)
			line = append(strconv.AppendInt(line, int64(time.Since(benchEpoch)), 10), benchChunkEnd...)
			if _, err := w.Write(line); err != nil || out.Flush() != nil {
				return
			}
		}
		_, _ = io.WriteString(w, benchStreamEnd)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	return &url.URL{Scheme: "http", Host: l.Addr().String()}, func() { _ = server.Close(); serving.Wait() }, nil
}

var benchEpoch = time.Now()

const (
	benchChunk     = `data: {"id":"chatcmpl-7f1d0c5b8e3a4f69","object":"chat.completion.chunk","created":1750000000,"model":"mixtral-8x7b","choices":[{"index":0,"delta":{"content":"`
	benchChunkEnd  = `"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"
	benchStreamEnd = `data: {"id":"chatcmpl-7f1d0c5b8e3a4f69","model":"mixtral-8x7b","choices":[],"usage":{"prompt_tokens":412,"completion_tokens":20,"total_tokens":432}}` + "\n\ndata: [DONE]\n\n"
)

// tapSeen is what one side of the measurement saw, in nanoseconds.
type tapSeen struct {
	tapped, direct [2][]int64 // [0]: first chunks from the beginning of the call; [1]: the others since they were written
	halves         [2][]int64 // the direct ones of [1], of every other stream
	calls          int
}

// tapTraffic keeps the streams of both sides open for a time.
func tapTraffic(ctx context.Context, tapped, direct string, pace, d time.Duration) (all tapSeen, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: tapStreams, DisableCompression: true}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var wg sync.WaitGroup
	until := time.Now().Add(d)
	for n := range tapStreams + directStreams {
		wg.Go(func() {
			base, mine := tapped, &tapSeen{}
			if n >= tapStreams {
				base = direct
			}
			failure := mine.stream(ctx, client, base, pace, until)
			mu.Lock()
			defer mu.Unlock()
			all.take(mine, n)
			if err == nil {
				err = failure
			}
		})
	}
	wg.Wait()
	return all, errors.Join(err, ctx.Err())
}

// take adds what stream n saw.
func (s *tapSeen) take(o *tapSeen, n int) {
	for i := range 2 {
		if n < tapStreams {
			s.tapped[i] = append(s.tapped[i], o.tapped[i]...)
			continue
		}
		s.direct[i] = append(s.direct[i], o.tapped[i]...)
		s.halves[n%2] = append(s.halves[n%2], o.tapped[1]...)
	}
	if n < tapStreams {
		s.calls += o.calls
	}
}

// stream makes one call after another until the time is over.
func (s *tapSeen) stream(ctx context.Context, client *http.Client, base string, pace time.Duration, until time.Time) error {
	time.Sleep(rand.N(pace * tapChunks)) // not all at the same moment
	body := `{"model":"mixtral-8x7b","stream":true,"user":"user-7","messages":[{"role":"user","content":"` + strings.Repeat("How does it work? ", 60) + `"}]}`
	in := bufio.NewReader(nil)
	for time.Now().Before(until) && ctx.Err() == nil {
		began := time.Since(benchEpoch)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions?pace="+pace.String(), strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		in.Reset(resp.Body)
		err = s.read(in, int64(began))
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		s.calls++
	}
	return nil
}

// read reads one answer to its end.
func (s *tapSeen) read(in *bufio.Reader, began int64) error {
	for n := 0; ; {
		line, err := in.ReadSlice('\n')
		now := int64(time.Since(benchEpoch))
		if err == io.EOF && n == tapChunks {
			return nil
		} else if err != nil {
			return fmt.Errorf("after %d chunks: %w", n, err)
		}
		text, ok := bytes.CutPrefix(line, []byte(benchChunk))
		if !ok {
			continue
		}
		written, err := strconv.ParseInt(string(text[:bytes.IndexByte(text, '"')]), 10, 64)
		if err != nil {
			return err
		}
		if n++; n == 1 {
			s.tapped[0] = append(s.tapped[0], now-began)
		} else {
			s.tapped[1] = append(s.tapped[1], now-written)
		}
	}
}

// results are microseconds.
func (s *tapSeen) results(pace time.Duration) map[string]any {
	type quantiles map[string]float64
	of := func(ns []int64) quantiles {
		if len(ns) == 0 {
			return quantiles{}
		}
		slices.Sort(ns)
		at := func(p float64) float64 { return float64(ns[int(p*float64(len(ns)))]) / 1e3 }
		return quantiles{"p50": at(.5), "p99": at(.99)}
	}
	less := func(a, b quantiles) quantiles {
		return quantiles{"p50": a["p50"] - b["p50"], "p99": a["p99"] - b["p99"]}
	}
	tapped, direct := of(s.tapped[1]), of(s.direct[1])
	return map[string]any{
		"added_us": less(tapped, direct), "tapped_us": tapped, "direct_us": direct, "noise_us": less(of(s.halves[0]), of(s.halves[1])),
		"first_chunk_added_us": less(of(s.tapped[0]), of(s.direct[0])),
		"streams":              tapStreams, "direct_streams": directStreams, "chunks_per_second_of_a_stream": float64(time.Second) / float64(pace),
		"calls": s.calls, "chunks": len(s.tapped[0]) + len(s.tapped[1]), "chunk_bytes": len(benchChunk) + len(benchChunkEnd) + 10,
	}
}
