package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// The traffic of the measurement of the tap.
const (
	tapPairs       = 100                   // streams beside the tap, to the same upstream without it
	tapPerPair     = 10                    // streams through the tap for each of them
	tapStreams     = tapPairs * tapPerPair // open through the tap at every moment
	tapChunks      = 50                    // of one answer after its first
	tapWarm        = 10                    // the first of so many parts of a round, and its first turn, are not counted: connections are made, heaps grow
	tapPromptTexts = 60                    // sentences in a prompt
)

// tapRates are chunks a second of one stream: 5,000, 2,000 and 10,000 a second in all. What a node or a few of them write for a
// thousand streams lies between; the first is the one that is reported at the top.
var tapRates = [...]int{5, 2, 10}

// benchTap measures what the tap adds to each chunk of a stream, from the moment in which the upstream wrote it to that in which
// the client has read it. The tap is a process of its own, `hxp tap`, as it is used; upstream, client and brokers are this one.
// Each chunk that goes through it is compared with one that went beside it a moment before or after, so both see the same
// machine in the same state. added_us are the quantiles of these differences.
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
	upstream, err := newBenchUpstream()
	if err != nil {
		return nil, err
	}
	defer upstream.close()
	tapped, err := startTap(s.broker.Addr(), upstream.url, s.set.dataDir)
	if err != nil {
		return nil, err
	}
	defer tapped.kill()
	var results []map[string]any
	calls, chunks, cpu := 0, 0, processCPU()
	for _, rate := range tapRates {
		var r *benchRound
		if r, err = tapRound(ctx, upstream, tapped.url, rate, d/time.Duration(len(tapRates))); err != nil {
			return nil, err
		}
		calls += r.calls[tapKind]
		chunks += r.written
		results = append(results, r.results())
	}
	cpu = processCPU() - cpu
	tapCPU, err := tapped.stop()
	if err != nil {
		return nil, err
	}
	if n, err := endOf(ctx, b, event.LLMRequest.Topic()); err != nil {
		return nil, err
	} else if n != int64(calls) {
		return nil, fmt.Errorf("%d calls went through the tap, the topic has %d events", calls, n)
	}
	top := results[0]
	top["other_rates"] = results[1:]
	top["tap_cpu_us_per_chunk"] = tapCPU.Seconds() * 1e6 / (float64(chunks) * tapStreams / (tapStreams + tapPairs))
	top["load_cpu_us_per_chunk"] = cpu.Seconds() * 1e6 / float64(chunks)
	return top, nil
}

// endOf is how many records a topic ever got.
func endOf(ctx context.Context, b *bus.Bus, topic string) (n int64, err error) {
	offsets, err := b.Offsets(ctx, topic)
	for _, r := range offsets[topic] {
		n += r.End
	}
	return n, err
}

// tapRound keeps the streams of both kinds open for a time.
func tapRound(ctx context.Context, upstream *benchUpstream, through string, rate int, d time.Duration) (*benchRound, error) {
	r := newBenchRound(rate, d)
	upstream.round.Store(r)
	client := newBenchReader(r)
	defer client.close()
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for n := range tapStreams + tapPairs {
		kind, base := tapKind, through
		if n >= tapStreams {
			kind, base = directKind, upstream.url.String()
		}
		wg.Go(func() {
			calls, err := client.stream(ctx, base, kind)
			mu.Lock()
			defer mu.Unlock()
			r.calls[kind] += calls
			if err != nil && len(errs) < 3 {
				errs = append(errs, err)
			}
		})
	}
	r.conduct(ctx)
	wg.Wait()
	return r, errors.Join(append(errs, ctx.Err())...)
}
