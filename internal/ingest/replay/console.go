package replay

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// console is stderr: refusals line by line, and beside them progress as a bar that is redrawn (terminal) or as plain lines.
type console struct {
	w        io.Writer
	terminal bool

	mu  sync.Mutex
	bar bool // a bar stands on the current line
}

// say prints one line.
func (c *console) say(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wipe()
	fmt.Fprintln(c.w, line)
}

// progress shows how far the run is. done and total are bytes of unpacked input.
func (c *console) progress(done, total int64, t *tally, since time.Duration) {
	read, sent, refused := t.counts()
	share := 1.0
	if total > 0 {
		share = min(float64(done)/float64(total), 1)
	}
	text := fmt.Sprintf("%3.0f %%  %d rows read, %d sent, %d refused, %.0f events/s", share*100, read, sent, refused, float64(sent)/max(since.Seconds(), 1e-9))
	if share > 0.01 && share < 1 && since > 2*time.Second {
		left := time.Duration(float64(since) * (1 - share) / share)
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wipe()
	if !c.terminal {
		fmt.Fprintln(c.w, text)
		return
	}
	const width = 24
	full := int(share * width)
	fmt.Fprintf(c.w, "[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), text)
	c.bar = true
}

// wipe removes the bar. The caller holds mu.
func (c *console) wipe() {
	if c.bar {
		fmt.Fprint(c.w, "\r\x1b[K")
		c.bar = false
	}
}

func (c *console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wipe()
}
