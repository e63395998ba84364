package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows on stderr how far long work is: a line that is redrawn on a terminal, else a line each few seconds.
type progress struct {
	w        io.Writer
	what     string // plural
	terminal bool
	last     time.Time
}

func newProgress(w io.Writer, what string) *progress {
	return &progress{w: w, what: what, terminal: w == os.Stderr && term.IsTerminal(int(os.Stderr.Fd())), last: time.Now()}
}

func (p *progress) show(done, total int) {
	every := 5 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.last) < every && !(p.terminal && done == total) {
		return
	}
	p.last = time.Now()
	text := fmt.Sprintf("%d of %d %s (%d %%)", done, total, p.what, 100*done/max(1, total))
	switch {
	case !p.terminal:
		fmt.Fprintln(p.w, text)
	case done == total:
		fmt.Fprintf(p.w, "\r\x1b[K")
	default:
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	}
}
