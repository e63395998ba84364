package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Whoever asks for help is told first what a command is for, and finds its own flags before those of the configuration.
func TestHelp(t *testing.T) {
	root := rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"responses", "approve", "--help"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	last := -1
	for _, want := range []string{"Let a proposal be carried out.\n", "Usage:\n  hxp responses approve ID", "Examples:\n", "\nFlags:\n", "--reason string", "\nFlags of the configuration:\n", "--data-dir string"} {
		at := strings.Index(text, want)
		if at <= last {
			t.Errorf("%q is not there, or comes too early:\n%s", want, text)
		}
		last = at
	}
}

// The descriptions of commands stand below each other.
func TestCommandsStandBelowEachOther(t *testing.T) {
	root := rootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(nil)
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	column := 0
	for line := range strings.Lines(out.String()) {
		name, rest, found := strings.Cut(strings.TrimPrefix(line, "  "), "  ")
		if c := root.Commands(); !found || !slices.ContainsFunc(c, func(c *cobra.Command) bool { return c.Name() == name }) {
			continue
		}
		at := len(line) - len(strings.TrimLeft(rest, " "))
		if column == 0 {
			column = at
		}
		if at != column {
			t.Errorf("column %d, not %d: %s", at, column, line)
		}
	}
	if column == 0 {
		t.Errorf("no commands:\n%s", out.String())
	}
}

// Every command that is shown is in one family, and every family names commands that there are.
func TestFamiliesOfCommands(t *testing.T) {
	root := rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var listed, shown []string
	for _, f := range families {
		listed = append(listed, strings.Fields(f.names)...)
	}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			shown = append(shown, c.Name())
		}
	}
	slices.Sort(listed)
	slices.Sort(shown)
	if !slices.Equal(listed, shown) {
		t.Errorf("listed %v\nshown  %v", listed, shown)
	}
}

// Every command that does something says how it is used.
func TestEveryCommandHasExamples(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		if c.Short == "" || c.Example == "" {
			t.Errorf("%s: short %q, examples %q", c.CommandPath(), c.Short, c.Example)
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: a point comes by itself", c.CommandPath())
		}
		for _, below := range c.Commands() {
			look(below)
		}
	}
	look(rootCommand())
}

// A length of time in days is told how to be written.
func TestDaysAreWrittenAsHours(t *testing.T) {
	root := rootCommand()
	root.SetArgs([]string{"simulate", "--past", "2d"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "write days as hours, such as 48h") {
		t.Error(err)
	}
}
