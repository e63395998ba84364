package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// families are the commands of hxp in the order in which somebody meets them. A test holds the list to the commands that there are.
var families = []struct {
	title string
	names string
}{
	{"Run it", "up run doctor config version"},
	{"Bring events", "simulate replay tap topics schemas dead-letters"},
	{"Watch and act", "alerts rules slo anomalies notifications responses"},
	{"Look back and ahead", "reports costs forecast capacity lake dags runs airflow"},
	{"Keep it safe", "auth audit backup restore retention erase"},
	{"More", "bench completion help"},
}

// helpfully lets a command and those below it show what they are for first, then examples, then flags, their own before those that every
// command has.
func helpfully(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		fmt.Fprintln(cmd.OutOrStdout(), cmd.Short+".")
		if cmd.Long != "" {
			fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", cmd.Long)
		}
		fmt.Fprintln(cmd.OutOrStdout())
		showUsage(cmd.OutOrStdout(), cmd)
	})
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		showUsage(cmd.OutOrStderr(), cmd)
		return nil
	})
}

func showUsage(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	showCommands(w, cmd)
	own, common := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || f.Name == "env-file" || slices.Contains(treeFlags, f.Name) {
			common.AddFlag(f)
		} else {
			own.AddFlag(f)
		}
	})
	if own.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", own.FlagUsages())
	}
	if common.HasAvailableFlags() {
		fmt.Fprintf(w, "\nFlags of the configuration:\n%s", common.FlagUsages())
	}
}

// showCommands lists the commands below one; those of hxp itself by their families.
func showCommands(w io.Writer, cmd *cobra.Command) {
	below := map[string]*cobra.Command{}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names, below[c.Name()] = append(names, c.Name()), c
		}
	}
	width := 0
	for _, name := range names {
		width = max(width, len(name))
	}
	list := func(title string, names []string) {
		if len(names) > 0 {
			fmt.Fprintf(w, "\n%s:\n", title)
		}
		for _, name := range names {
			fmt.Fprintf(w, "  %-*s  %s\n", width, name, below[name].Short)
		}
	}
	if cmd.Name() == "hxp" {
		for _, f := range families {
			list(f.title, strings.Fields(f.names))
		}
	} else {
		list("Commands", names)
	}
	if len(names) > 0 {
		fmt.Fprintf(w, "\n`%s COMMAND --help` tells more of each.\n", cmd.CommandPath())
	}
}
