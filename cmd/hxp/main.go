// Command hxp is the event-driven data pipeline for LLM servers: one binary that runs the whole system, any service of it,
// and the tools around it. It parses, calls app, and turns the outcome into an exit code: 0 done, 1 it failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func main() { os.Exit(execute(os.Args)) }

// exitError ends the program with a code; a nil cause has been reported already.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

// usage marks an error as wrong usage.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{2, err}
}

func execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root, name := rootCommand(), "hxp"
	if calledAs(args[0], "airflow") { // a link under the name of Apache Airflow's command
		root, name = airflowCommand(), "airflow"
		refuseBadFlags(root)
	}
	root.SetArgs(args[1:])
	used, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		exit = &exitError{1, err}
	}
	if exit.cause != nil {
		fmt.Fprintln(os.Stderr, name+": "+strings.TrimPrefix(strings.TrimSpace(exit.cause.Error()), name+": "))
		if exit.code == 2 {
			fmt.Fprintln(os.Stderr, name+": see `"+used.CommandPath()+" --help`")
		}
	}
	return exit.code
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "hxp",
		Short:         "Event-driven data pipeline for LLM servers",
		Long:          "hxp takes the events of an LLM server, keeps every one of them, shows within milliseconds what is going on, and turns\nthe history into aggregates that can be trusted to the last row.",
		Example:       "  hxp up                           the whole system\n  hxp up --demo --past 48h         the same with generated traffic, of two days ago and of now\n  hxp doctor                       what is wrong, and how to mend it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q%s", args[0], suggestions(cmd, args[0])))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	refuseBadFlags(root)
	helpfully(root)
	root.AddCommand(airflowCommand(), upCommand(), runCommand(), replayCommand(), simulateCommand(), topicsCommand(), lakeCommand(), reportsCommand(), configCommand(), benchCommand(), versionCommand())
	root.AddCommand(dagsCommand(), runsCommand(), retentionCommand(), eraseCommand(), anomaliesCommand(), rulesCommand(), sloCommand(), tapCommand(), schemasCommand())
	root.AddCommand(alertsCommand(), deadLettersCommand())
	root.AddCommand(responsesCommand(), notificationsCommand(), forecastCommand(), capacityCommand())
	root.AddCommand(costsCommand(), doctorCommand(), authCommand(), auditCommand(), backupCommand(), restoreBackupCommand())
	for _, name := range app.Names {
		root.AddCommand(serviceCommand(name))
	}
	return root
}

// refuseBadFlags makes a flag that does not exist, or has a value that does not fit, wrong usage.
func refuseBadFlags(root *cobra.Command) {
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if strings.Contains(err.Error(), `unknown unit "d"`) {
			err = fmt.Errorf("%w; write days as hours, such as 48h", err)
		}
		return usage(fmt.Errorf("%s: %w", cmd.CommandPath(), err))
	})
}

func suggestions(cmd *cobra.Command, name string) string {
	cmd.SuggestionsMinimumDistance = 2
	if s := cmd.SuggestionsFor(name); len(s) > 0 {
		return "; did you mean " + strings.Join(s, " or ") + "?"
	}
	return ""
}

func versionCommand() *cobra.Command {
	var bill bool
	cmd := &cobra.Command{Use: "version", Short: "Print the version, or what the binary is made of", Args: noArgs, Example: "  hxp version\n  hxp version --sbom > hxp.cdx.json", RunE: func(cmd *cobra.Command, _ []string) error {
		if bill {
			return app.WriteSBOM(cmd.OutOrStdout())
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "hxp "+app.Version)
		return err
	}}
	cmd.Flags().BoolVar(&bill, "sbom", false, "the bill of materials as CycloneDX JSON")
	return cmd
}

func noArgs(cmd *cobra.Command, args []string) error { return usage(cobra.NoArgs(cmd, args)) }

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage(fmt.Errorf("%s: give at least one %s", cmd.CommandPath(), what))
		}
		return nil
	}
}
