package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/ingest/replay"
	"github.com/hxp-enterprise/hxp/internal/ingest/simulate"
)

// ReplayFlags are the flags of `hxp replay` as typed.
type ReplayFlags struct {
	Files                                []string
	Stdin                                io.Reader
	Format, Start, Speed, Model, Via, To string
	JSON, Terminal                       bool
}

// ReplayFormats lists the formats that replay reads.
func ReplayFormats() []string { return replay.Formats() }

// Options checks the flags.
func (f ReplayFlags) Options() (replay.Options, error) {
	o := replay.Options{Files: f.Files, Stdin: f.Stdin, Format: f.Format, Model: f.Model, JSON: f.JSON, Terminal: f.Terminal}
	var err error
	if o.Start, err = replay.ParseStart(f.Start); err != nil {
		return o, err
	}
	if o.Speed, err = replay.ParseSpeed(f.Speed); err != nil {
		return o, err
	}
	if err := replay.CheckFormat(f.Format); err != nil {
		return o, err
	}
	if f.Via != "kafka" && f.Via != "http" {
		return o, fmt.Errorf("--via %q is neither kafka nor http", f.Via)
	}
	return o, nil
}

// SimulateFlags are the flags of `hxp simulate` as typed.
type SimulateFlags struct {
	Rate              float64
	Duration, Past    time.Duration
	Seed              int64
	Scenario, Via, To string
	File              string // a profile; what the other flags say wins over it
	Given             func(flag string) bool
}

// Scenarios lists what simulate can make.
func Scenarios() (names []string) {
	for _, s := range simulate.Scenarios {
		names = append(names, string(s))
	}
	return names
}

const maxPast = 400 * 24 * time.Hour

// Check tells what is wrong with the flags.
func (f SimulateFlags) Check() error {
	if !slices.Contains(Scenarios(), f.Scenario) {
		return fmt.Errorf("--scenario %q is none of %s", f.Scenario, strings.Join(Scenarios(), ", "))
	}
	if !(f.Rate > 0) || f.Rate > 1e6 {
		return fmt.Errorf("--rate %v: give requests a second, above 0", f.Rate)
	}
	if f.Past < 0 || f.Past > maxPast || f.Past > 0 && f.Duration > 0 {
		return fmt.Errorf("--past %s: give up to %s, and no --duration: it ends when it has come to now", f.Past, maxPast)
	}
	if f.Via != "kafka" && f.Via != "http" {
		return fmt.Errorf("--via %q is neither kafka nor http", f.Via)
	}
	return nil
}

// Profile is the traffic that the flags and the file ask for.
func (f SimulateFlags) Profile() (p simulate.Profile, err error) {
	if f.File != "" {
		if p, err = simulate.ReadProfile(f.File); err != nil {
			return p, fmt.Errorf("the profile has faults:\n%w", err)
		}
	}
	if f.File == "" || f.Given("rate") {
		p.Rate = f.Rate
	}
	if f.File == "" || f.Given("scenario") {
		p.Scenario = simulate.Scenario(f.Scenario)
	}
	return p, nil
}

// Run sends the traffic and returns how many events were sent.
func (f SimulateFlags) Run(ctx context.Context, p simulate.Profile, to Sending) (int64, error) {
	if f.Past > 0 {
		return SimulatePast(ctx, f.Seed, p, time.Now(), f.Past, to)
	}
	return Simulate(ctx, f.Seed, p, f.Duration, to)
}
