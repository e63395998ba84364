package app

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// benchReader is the client of a round.
type benchReader struct {
	round  *benchRound
	client *http.Client
	body   string
}

func newBenchReader(r *benchRound) *benchReader {
	return &benchReader{r, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: tapStreams, DisableCompression: true}},
		`{"model":"mixtral-8x7b","stream":true,"user":"user-7","messages":[{"role":"user","content":"` + strings.Repeat("How does it work? ", tapPromptTexts) + `"}]}`}
}

func (b *benchReader) close() { b.client.CloseIdleConnections() }

// stream makes one call after another until the round is over, and tells how many.
func (b *benchReader) stream(ctx context.Context, base string, kind int) (calls int, err error) {
	time.Sleep(rand.N(time.Second / time.Duration(b.round.rate))) // not all at the same moment
	in := bufio.NewReader(nil)
	for ; ; calls++ {
		select {
		case <-b.round.over:
			return calls, nil
		default:
		}
		began := time.Since(benchEpoch)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions?kind="+strconv.Itoa(kind), strings.NewReader(b.body))
		if err != nil {
			return calls, err
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := b.client.Do(r)
		if err != nil {
			return calls, err
		}
		in.Reset(resp.Body)
		first, err := b.read(in)
		_ = resp.Body.Close()
		if err != nil {
			return calls, err
		}
		if calls > 0 { // the first one had to connect
			b.round.first[kind].add(int64(first - began))
		}
	}
}

// read reads one answer to its end, and tells when its first chunk came.
func (b *benchReader) read(in *bufio.Reader) (first time.Duration, err error) {
	for {
		line, err := in.ReadSlice('\n')
		now := time.Since(benchEpoch)
		if err == io.EOF && first > 0 {
			return first, nil
		} else if err != nil {
			return 0, fmt.Errorf("in the middle of an answer: %w", err)
		}
		text, ok := bytes.CutPrefix(line, []byte(benchChunk))
		if !ok {
			continue
		}
		var n [3]int64
		for i := range n {
			var word []byte
			word, text, _ = bytes.Cut(text, []byte{' '})
			if n[i], err = strconv.ParseInt(string(word), 10, 64); err != nil {
				return 0, err
			}
		}
		if slot, turn, written := n[0], n[1], n[2]; turn < 0 {
			first = now
		} else {
			b.round.seen[turn][slot] = int64(now) - written
		}
	}
}

func (f *benchFirst) add(ns int64) {
	f.Lock()
	defer f.Unlock()
	f.ns = append(f.ns, ns)
}

type quantiles map[string]float64

// inMicros are quantiles in microseconds of times in nanoseconds.
func inMicros(ns []int64) quantiles {
	if len(ns) == 0 {
		return quantiles{}
	}
	slices.Sort(ns)
	at := func(p float64) float64 { return float64(ns[int(p*float64(len(ns)))]) / 1e3 }
	return quantiles{"p10": at(.1), "p50": at(.5), "p99": at(.99)}
}

// results are microseconds.
func (r *benchRound) results() map[string]any {
	var added, tapped, direct []int64
	for _, turn := range r.seen[max(len(r.seen)/tapWarm, 1):] {
		for first := 0; first < len(turn); first += tapPerPair + 1 {
			beside := turn[first]
			if beside > 0 {
				direct = append(direct, beside)
			}
			for _, ns := range turn[first+1 : first+1+tapPerPair] {
				if ns > 0 {
					tapped = append(tapped, ns)
				}
				if ns > 0 && beside > 0 {
					added = append(added, ns-beside)
				}
			}
		}
	}
	out := map[string]any{
		"added_us": inMicros(added), "tapped_us": inMicros(tapped), "direct_us": inMicros(direct), "upstream_late_us": inMicros(r.late),
		"streams": tapStreams, "direct_streams": tapPairs, "chunks_per_second_of_a_stream": r.rate, "chunk_bytes": len(benchChunk) + len(benchChunkEnd) + 20,
		"calls": r.calls[tapKind], "chunks": r.written, "compared": len(added),
	}
	if a, b := inMicros(r.first[tapKind].ns), inMicros(r.first[directKind].ns); len(a) > 0 && len(b) > 0 {
		out["first_chunk_us"] = map[string]quantiles{"tapped": a, "direct": b}
	}
	return out
}
