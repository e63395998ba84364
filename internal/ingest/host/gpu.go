package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// gpu is one card. Numbers that it does not tell are nil.
type gpu struct {
	index, uuid, name                           string
	busy, used, free, power, temperature, clock *float64
}

// query are the columns that nvidia-smi is asked for, in the order in which parseGPUs reads them.
const query = "index,uuid,name,utilization.gpu,memory.used,memory.free,power.draw,temperature.gpu,clocks.sm"

const (
	gpuTimeout = 10 * time.Second
	maxGPUText = 1 << 20
	maxGPUs    = 256
)

// errNoTool says that there is no nvidia-smi, and so no GPU to be measured.
var errNoTool = errors.New("nvidia-smi is not installed")

// askGPUs runs nvidia-smi.
func askGPUs(ctx context.Context) ([]gpu, error) {
	tool, err := exec.LookPath("nvidia-smi")
	if err != nil {
		return nil, errNoTool
	}
	ctx, cancel := context.WithTimeout(ctx, gpuTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "--query-gpu="+query, "--format=csv,noheader,nounits")
	cmd.WaitDelay = time.Second // a child of it may hold the pipe
	var out clipped
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("nvidia-smi: %w", err)
	}
	return parseGPUs(out.text)
}

// clipped keeps the beginning of what is written to it.
type clipped struct{ text []byte }

func (c *clipped) Write(p []byte) (int, error) {
	c.text = append(c.text, p[:min(len(p), maxGPUText-len(c.text))]...)
	return len(p), nil
}

// parseGPUs reads the lines of query. "[N/A]" and the like stand for what a card does not tell.
func parseGPUs(text []byte) ([]gpu, error) {
	var out []gpu
	for line := range strings.Lines(strings.ToValidUTF8(string(text), "\uFFFD")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		f := strings.Split(line, ",")
		if want := strings.Count(query, ",") + 1; len(f) != want {
			return nil, fmt.Errorf("nvidia-smi: %d columns where %d were asked for", len(f), want)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		if len(out) == maxGPUs {
			return nil, fmt.Errorf("nvidia-smi: more than %d GPUs", maxGPUs)
		}
		if len(f[0]) > 64 || len(f[1]) > 128 || len(f[2]) > 256 || f[0] == "" {
			return nil, errors.New("nvidia-smi: names that no GPU has")
		}
		out = append(out, gpu{index: f[0], uuid: f[1], name: f[2], busy: number(f[3]), used: number(f[4]), free: number(f[5]),
			power: number(f[6]), temperature: number(f[7]), clock: number(f[8])})
	}
	return out, nil
}

// number is nil for what is none, or no measurement: below zero, or more than any card has.
func number(s string) *float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v < 1e12) {
		return nil
	}
	v = math.Abs(v) // of -0
	return &v
}
