package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// airflowCommand is `hxp airflow …`, and the whole program when it is called under the name airflow: the commands of Apache Airflow 2 and 3
// that the specification and its operators type, answered by the scheduler of hxp.
func airflowCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "airflow", Short: "The commands of Apache Airflow, answered by the scheduler of hxp", SilenceUsage: true, SilenceErrors: true,
		Long: "Takes the commands of Apache Airflow in the spelling of 2.x and 3.x and prints what Airflow prints. A link or copy of hxp under\n" +
			"the name airflow is this command. It talks to the scheduler of a running hxp at AIRFLOW_WEBSERVER_HOST and AIRFLOW_WEBSERVER_PORT.",
		Example: "  airflow dags list\n  airflow dags backfill hxp_weekly_aggregation --start-date 2025-01-01 --end-date 2025-01-07\n" +
			"  airflow backfill create --dag-id hxp_weekly_aggregation --from-date 2025-01-01 --to-date 2025-01-07",
	}
	f := root.PersistentFlags()
	f.String("config", "", "folder with services/*.yaml (default "+app.DefaultConfigDir+" where it exists)")
	f.String("env-file", "", "file of KEY=VALUE lines, as systemd reads them")
	f.String("data-dir", "", "folder of everything that hxp keeps (default ./data)")
	f.BoolP("verbose", "v", false, "taken and ignored")
	root.AddCommand(airflowDags(), airflowBackfill(), airflowTasks(), airflowDB(), airflowUsers(), airflowJobs(), airflowVersion())
	root.AddCommand(airflowServices()...)
	group(root)
	return root
}

// group makes a command that only holds others: without one of them it helps, and a word that is none of them is wrong usage.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(fmt.Errorf("%s: there is no command %q%s", cmd.CommandPath(), args[0], suggestions(cmd, args[0])))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// calledAs tells whether the program was started under a name.
func calledAs(argv0, name string) bool {
	return strings.TrimSuffix(filepath.Base(argv0), ".exe") == name
}

// airflowClient reaches the scheduler.
func airflowClient(cmd *cobra.Command) (*app.AirflowClient, error) {
	cfg, err := settings(cmd)
	if err != nil {
		return nil, err
	}
	return cfg.AirflowClient()
}

// outputFlag adds -o.
func outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringP("output", "o", "table", strings.Join(airflowOutputs, ", "))
}

// show prints rows in the format that -o names.
func show(cmd *cobra.Command, rows []airflowRow) error {
	format, err := cmd.Flags().GetString("output")
	if err != nil {
		return err
	}
	if !slices.Contains(airflowOutputs, format) {
		return usage(fmt.Errorf("%s: -o %q is none of %s", cmd.CommandPath(), format, strings.Join(airflowOutputs, ", ")))
	}
	return printAirflow(cmd.OutOrStdout(), format, rows)
}

// ignored adds flags of Airflow that have no meaning here, so that commands with them still work.
func ignored(cmd *cobra.Command, flags map[string]string) {
	for name, short := range flags {
		if strings.HasPrefix(short, "=") { // with a value
			cmd.Flags().StringP(name, short[1:], "", "taken and ignored")
		} else {
			cmd.Flags().BoolP(name, short, false, "taken and ignored")
		}
		_ = cmd.Flags().MarkHidden(name) // it exists
	}
}

// dagArg takes the DAG as the one positional argument, or as 2.x does by -d.
func dagArg(cmd *cobra.Command, args []string) error {
	if named, _ := cmd.Flags().GetString("dag-id"); len(args) == 1 && named == "" || len(args) == 0 && named != "" {
		return nil
	}
	return usage(fmt.Errorf("%s: name one DAG; airflow dags list lists them", cmd.CommandPath()))
}

func dagOf(cmd *cobra.Command, args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	id, _ := cmd.Flags().GetString("dag-id")
	return id
}

// unknown turns "not found" into the words of Airflow, which name what was looked for.
func unknown(err error, format string, args ...any) error {
	if e, ok := errors.AsType[*app.AirflowError](err); ok && e.Status == 404 {
		return fmt.Errorf(format, args...)
	}
	return err
}

// timeFlag reads a time from a flag; "" when it is not given.
func timeFlag(cmd *cobra.Command, name string) (string, error) {
	text, _ := cmd.Flags().GetString(name)
	if text == "" {
		return "", nil
	}
	t, err := app.ParseAirflowTime(text)
	if err != nil {
		return "", usage(fmt.Errorf("%s: --%s %q: %w", cmd.CommandPath(), name, text, err))
	}
	return t.Format("2006-01-02T15:04:05.999999Z07:00"), nil
}

// confFlag reads a JSON object from a flag; nil when it is not given.
func confFlag(cmd *cobra.Command, name string) (any, error) {
	text, _ := cmd.Flags().GetString(name)
	if text == "" {
		return nil, nil
	}
	o, ok := jsonOf(text).(map[string]any)
	if !ok {
		return nil, usage(fmt.Errorf("%s: --%s: %q is no JSON object", cmd.CommandPath(), name, text))
	}
	return o, nil
}

func jsonOf(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return nil
	}
	return v
}
