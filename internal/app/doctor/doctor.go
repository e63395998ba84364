// Package doctor finds what keeps hxp from starting, or from working well, and says how to mend it.
//
// In comes a Plan: what the configuration says of ports, folders, brokers, database and the systems around. Out comes a finding of each
// check, always in the same order. Where services of hxp answer at their ports they are asked how they are; where none does, the checks
// tell what would hinder a start. A finding fails where hxp does not start or does not do what was configured, and warns where it works
// and somebody should look.
//
// Promised: nothing is changed (a file that tries a folder is taken away again), no mail and no event is sent; each check ends within its
// bound, whatever hangs; what fails names its cure. Secrets are the caller's to hide: it knows them (conf.Tree.Conceal).
package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/lake"
)

// Status of a finding.
type Status string

// From good to bad.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Finding is what one check found. Cure is empty where there is nothing to mend.
type Finding struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Cure   string `json:"cure"`
}

// Plan says what there is to look at.
type Plan struct {
	Services []Service // what listens
	DataDir  string
	Folders  []Folder // what else is written to, outside of DataDir
	CrashLog string
	Keys     []Keys
	Reserve  int64 // bytes of DataDir's disk below which nothing is written to topics

	Embedded bool       // the broker
	Broker   bus.Config // where it is an external one; its topics are checked in both cases
	NoBus    bool       // nothing of what is looked at uses a broker
	Database string     // URL; "" = none is used
	Lake     *lake.Config

	Memory    Memory
	OpenFiles uint64 // that a busy process needs

	MetricServer *batch.MetricServer
	Mail         *deliver.Server
	MailFrom     string // who sends by it
	MailError    error  // why Mail cannot be used as it is configured
	Hooks        []Hook
	Log          *slog.Logger

	running map[string]string // services that answer → version; set by meet
	mute    map[string]error  // why the others cannot be asked
}

// Service is one listener.
type Service struct {
	Name, Addr string // host:port
	Setting    string // that sets the port
	// Ask sends a GET and reads the JSON that answers it; nil where the listener speaks something else.
	Ask func(ctx context.Context, path string, to any) error
}

// Memory is what a process may use and what its settings let it use, in bytes; 0 = not known.
type Memory struct {
	Limit   int64 // of the settings
	Need    int64
	Setting string // of the limit
}

// Hook is an address to which something is posted, and the way there, which knows what may be reached. None of it but the host is told.
type Hook struct {
	Name, URL string
	Way       *deliver.Hooks
}

// check is one look at one thing. It has nothing to say when the finding has no status.
type check struct {
	name  string
	limit time.Duration
	look  func(context.Context) Finding
}

// Bounds of checks: on this machine, and over a network.
const (
	local  = 2 * time.Second
	remote = 6 * time.Second
)

// Examine makes all checks at the same time and returns what they found, in their order.
func Examine(ctx context.Context, p *Plan) []Finding {
	p.meet(ctx)
	b := &brokers{plan: p}
	defer b.close()
	var checks []check
	for _, family := range [][]check{p.folders(), p.keys(), p.machine(), p.ports(), b.checks(), p.database(), p.outside(), p.service()} {
		checks = append(checks, family...)
	}
	found := make([]Finding, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { found[i] = c.run(ctx) })
	}
	all.Wait()
	return once(found)
}

// once leaves out what has nothing to say, and tells what several checks found alike, such as the want of a token or a full disk, once under all
// their names.
func once(found []Finding) (told []Finding) {
	for _, f := range found {
		i := slices.IndexFunc(told, func(x Finding) bool {
			return x.Status != OK && x.Status == f.Status && x.Detail == f.Detail && x.Cure == f.Cure
		})
		switch {
		case f.Status == "":
		case i >= 0:
			told[i].Name += ", " + f.Name
		default:
			told = append(told, f)
		}
	}
	return told
}

// run bounds a check. One that hangs where no context reaches it, such as in a file system over a dead network, is left behind: it ends with
// the process, which is a command.
func (c *check) run(ctx context.Context) Finding {
	bounded, cancel := context.WithTimeoutCause(ctx, c.limit, fmt.Errorf("no answer within %s", c.limit))
	defer cancel()
	done := make(chan Finding, 1)
	go func() { done <- c.look(bounded) }()
	timer := time.NewTimer(c.limit + time.Second) // who minds the context may say why it ended
	defer timer.Stop()
	var f Finding
	select {
	case f = <-done:
	case <-timer.C:
		f = fail("look at what this is about by hand: it hangs", "no answer within %s", c.limit)
	}
	f.Name, f.Detail, f.Cure = c.name, oneLine(f.Detail), oneLine(f.Cure)
	return f
}

func ok(format string, args ...any) Finding {
	return Finding{Status: OK, Detail: fmt.Sprintf(format, args...)}
}

func warn(cure, format string, args ...any) Finding {
	return Finding{Status: Warn, Detail: fmt.Sprintf(format, args...), Cure: cure}
}

func fail(cure, format string, args ...any) Finding {
	return Finding{Status: Fail, Detail: fmt.Sprintf(format, args...), Cure: cure}
}

// oneLine joins the lines of an error.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// few spells out the first of many.
func few(texts []string) string {
	const most = 4
	if n := len(texts) - most; n > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(texts[:most], "; "), n)
	}
	return strings.Join(texts, "; ")
}
