package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// benchUpstream is an OpenAI-compatible server whose answers are chunks with the time at which they were written.
type benchUpstream struct {
	url     *url.URL
	server  *http.Server
	serving sync.WaitGroup
	round   atomic.Pointer[benchRound]
}

// The kinds of streams.
const (
	tapKind = iota
	directKind
	benchKinds
)

const (
	benchChunk     = `data: {"id":"chatcmpl-7f1d0c5b8e3a4f69","object":"chat.completion.chunk","created":1750000000,"model":"mixtral-8x7b","choices":[{"index":0,"delta":{"content":"`
	benchChunkEnd  = `"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"
	benchStreamEnd = `data: {"id":"chatcmpl-7f1d0c5b8e3a4f69","model":"mixtral-8x7b","choices":[],"usage":{"prompt_tokens":412,"completion_tokens":51,"total_tokens":463}}` + "\n\ndata: [DONE]\n\n"
)

var benchEpoch = time.Now()

func newBenchUpstream() (*benchUpstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &benchUpstream{url: &url.URL{Scheme: "http", Host: l.Addr().String()}}
	u.server = &http.Server{Handler: u}
	u.serving.Go(func() { _ = u.server.Serve(l) })
	return u, nil
}

func (u *benchUpstream) close() {
	_ = u.server.Close()
	u.serving.Wait()
}

// ServeHTTP writes the first chunk at once and leaves the others to the round.
func (u *benchUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	kind, err := strconv.Atoi(r.URL.Query().Get("kind"))
	if err != nil || kind < 0 || kind >= benchKinds {
		http.Error(w, "name the kind", http.StatusBadRequest)
		return
	}
	round := u.round.Load()
	slot := <-round.free[kind] // there is one for each stream
	defer func() { round.free[kind] <- slot }()
	w.Header().Set("Content-Type", "text/event-stream")
	s := &benchStream{out: w, flush: http.NewResponseController(w).Flush, left: round.length(slot), done: make(chan struct{})}
	if s.write(slot, -1) != nil {
		return
	}
	round.streams[slot].Store(s)
	select {
	case <-s.done:
	case <-round.over:
	}
	round.streams[slot].Store(nil)
	_, _ = io.WriteString(w, benchStreamEnd)
}

// benchStream is one answer that is being written.
type benchStream struct {
	out   io.Writer
	flush func() error
	left  int // chunks to come
	done  chan struct{}
	line  []byte
}

func (s *benchStream) write(slot, turn int) error {
	s.line = append(s.line[:0], benchChunk...)
	for _, n := range [...]int64{int64(slot), int64(turn), int64(time.Since(benchEpoch))} {
		s.line = append(strconv.AppendInt(s.line, n, 10), ' ')
	}
	s.line = append(s.line, benchChunkEnd...)
	if _, err := s.out.Write(s.line); err != nil {
		return err
	}
	return s.flush()
}

// benchRound is the traffic at one rate. Each stream has a slot, the moment within each turn at which it gets its chunk; they lie
// evenly, so that chunks neither come in bursts nor wait for each other at the upstream. Slot 0 of every tapPerPair+1 goes
// beside the tap.
type benchRound struct {
	rate    int
	turns   int
	free    [benchKinds]chan int
	begun   []bool // by slot: it had an answer
	streams []atomic.Pointer[benchStream]
	over    chan struct{} // closed at the end

	// What was seen, in nanoseconds; 0 where nothing was. Each cell has one writer, and nobody reads before all are done.
	seen    [][]int64 // [turn][slot]: since the upstream wrote the chunk
	first   [benchKinds]benchFirst
	late    []int64 // how long after its moment a chunk was written
	calls   [benchKinds]int
	written int
}

// benchFirst are times from the beginning of calls to their first chunk.
type benchFirst struct {
	sync.Mutex
	ns []int64
}

func newBenchRound(rate int, d time.Duration) *benchRound {
	const slots = tapStreams + tapPairs
	r := &benchRound{rate: rate, turns: max(int(d.Seconds()*float64(rate)), 2), begun: make([]bool, slots), streams: make([]atomic.Pointer[benchStream], slots), over: make(chan struct{})}
	for kind := range r.free {
		r.free[kind] = make(chan int, slots)
	}
	for slot := range slots {
		r.free[kindOf(slot)] <- slot
	}
	for range r.turns {
		r.seen = append(r.seen, make([]int64, slots))
	}
	return r
}

func kindOf(slot int) int {
	if slot%(tapPerPair+1) == 0 {
		return directKind
	}
	return tapKind
}

// length of the next answer in a slot, which is the caller's; the first ones differ, so that not all answers end at the same time.
func (r *benchRound) length(slot int) int {
	if !r.begun[slot] {
		r.begun[slot] = true
		return 1 + slot*7919%tapChunks
	}
	return tapChunks
}

// conduct writes each chunk at its moment, one after another.
func (r *benchRound) conduct(ctx context.Context) {
	defer close(r.over)
	turn := time.Second / time.Duration(r.rate)
	began := time.Now()
	for t := range r.turns {
		for slot := range r.streams {
			due := began.Add(time.Duration(t)*turn + time.Duration(slot)*turn/time.Duration(len(r.streams)))
			sleepUntil(due)
			s := r.streams[slot].Load()
			if s == nil {
				continue
			}
			r.late = append(r.late, int64(time.Since(due)))
			if s.left--; s.write(slot, t) != nil || s.left == 0 {
				r.streams[slot].Store(nil)
				close(s.done)
			}
			r.written++
		}
		if ctx.Err() != nil {
			return
		}
	}
}
