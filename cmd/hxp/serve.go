package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hxp-enterprise/hxp/internal/app"
	"github.com/hxp-enterprise/hxp/internal/kit/sdnotify"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// treeFlags are the flags that belong to the configuration tree; those that were given win over every other source.
var treeFlags = []string{"data-dir", "broker", "bind", "insecure", "token-file", "log-format", "log-level"}

func configFlags(f *pflag.FlagSet) {
	f.String("config", "", "folder with services/*.yaml (default "+app.DefaultConfigDir+" where it exists)")
	f.String("env-file", "", "file of KEY=VALUE lines, as systemd reads them")
	f.String("data-dir", "", "folder of everything that hxp keeps (default ./data)")
	f.String("broker", "", "auto, embedded or external")
	f.String("bind", "", "address to listen on (default 127.0.0.1)")
	f.Bool("insecure", false, "serve strangers on the network without authentication")
	f.String("token-file", "", "file that holds the token for a running hxp (else HXP_TOKEN)")
	f.String("log-format", "", "text or json")
	f.String("log-level", "", "debug, info, warn or error")
}

// loadOptions are the sources of the configuration as the flags name them.
func loadOptions(cmd *cobra.Command) app.LoadOptions {
	o := app.LoadOptions{Environ: os.Environ(), Flags: map[string]string{}}
	o.ConfigDir, _ = cmd.Flags().GetString("config")
	o.EnvFile, _ = cmd.Flags().GetString("env-file")
	for _, name := range treeFlags {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			o.Flags[name] = f.Value.String()
		}
	}
	return o
}

// load reads the configuration, and says where to read it again.
func load(cmd *cobra.Command) (*app.Config, app.Reload, *slog.Logger, error) {
	again := app.Reload{Sources: loadOptions(cmd)}
	cfg, tree, err := app.LoadConfig(again.Sources)
	if err != nil {
		return nil, again, nil, &exitError{1, fmt.Errorf("the configuration has faults:\n%w", err)}
	}
	level, err := telemetry.ParseLevel(cfg.LogLevel)
	if err != nil {
		return nil, again, nil, err
	}
	again.Level = new(slog.LevelVar)
	again.Level.Set(level)
	log, err := telemetry.NewLoggerAt(cfg.LogFormat, again.Level, os.Stderr)
	if err != nil {
		return nil, again, nil, err
	}
	for _, n := range tree.Notices() {
		log.Warn("configuration: " + fmt.Sprint(n))
	}
	again.Tree = tree
	return cfg, again, log, nil
}

// serve is what up, run and the commands named by a service share.
func serve(cmd *cobra.Command, services []string) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	cfg, again, log, err := load(cmd)
	if err != nil {
		return err
	}
	again.Signals = hangups
	o := app.Options{Services: services, Out: cmd.OutOrStdout(), Log: log, Reload: again}
	if socket, watchdog, err := sdnotify.FromEnv(os.Getenv, os.Getpid()); err != nil {
		return err
	} else if socket != nil {
		o.Systemd = app.Systemd{Listener: socket, Watchdog: watchdog}
	}
	f := cmd.Flags()
	o.ReadyFile, _ = f.GetString("ready-file")
	o.Demo, _ = f.GetBool("demo")
	o.Rate, _ = f.GetFloat64("rate")
	o.Seed, _ = f.GetInt64("seed")
	o.Scenario, _ = f.GetString("scenario")
	o.Past, _ = f.GetDuration("past")
	for _, name := range []string{"rate", "seed", "scenario", "past"} {
		if f.Changed(name) && !o.Demo {
			return usage(fmt.Errorf("--%s is about the generated traffic: give --demo as well", name))
		}
	}
	if err := (app.SimulateFlags{Rate: o.Rate, Scenario: o.Scenario, Past: o.Past, Via: "kafka"}).Check(); err != nil {
		return usage(err)
	}
	return app.Run(cmd.Context(), cfg, o)
}

func serveFlags(f *pflag.FlagSet) {
	configFlags(f)
	f.Bool("demo", false, "generate believable traffic")
	f.Float64("rate", 50, "requests a second of the generated traffic")
	f.Int64("seed", 1, "makes the generated traffic reproducible")
	f.String("scenario", "steady", "how the generated traffic behaves: "+strings.Join(app.Scenarios(), ", "))
	f.Duration("past", 0, "begin with the generated traffic of so long before now, in a new data folder")
	f.String("ready-file", "", "file that is written, whole, when every service is ready: service → URL")
}

func upCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "up", Short: "Run the whole system in one process", Args: noArgs,
		Long:    "Runs every service in one process, with an embedded Kafka-protocol broker unless an external one is named. Stops cleanly on\nCtrl-C; a second Ctrl-C ends at once.",
		Example: "  hxp up --demo --rate 10 --past 48h --scenario diurnal\n  hxp up --demo --scenario incident\n  KAFKA_BOOTSTRAP_SERVERS=kafka:9092 hxp up --data-dir /var/lib/hxp",
		RunE:    func(cmd *cobra.Command, _ []string) error { return serve(cmd, nil) },
	}
	serveFlags(cmd.Flags())
	return cmd
}

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run NAME…", Short: "Run the named services only", Args: atLeastOne("service: " + strings.Join(app.Names, ", ")),
		Long:      "Runs the named services, and in the same process what they cannot do without, against KAFKA_BOOTSTRAP_SERVERS.\nServices: " + strings.Join(app.Names, ", ") + ".",
		Example:   "  hxp run kafka-api stream lake\n  KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 hxp run broker",
		ValidArgs: app.Names,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := app.CheckNames(args); err != nil {
				return usage(err)
			}
			return serve(cmd, args)
		},
	}
	serveFlags(cmd.Flags())
	return cmd
}

func serviceCommand(name string) *cobra.Command {
	if name == app.Lake { // `hxp lake` is the tool; `hxp run lake` is the service
		return &cobra.Command{Use: "lake-service", Hidden: true, RunE: func(*cobra.Command, []string) error { return errors.New("use: hxp run lake") }}
	}
	cmd := &cobra.Command{Use: name, Short: "Run the service " + name, Args: noArgs, Hidden: true,
		Example: "  hxp " + name, RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd, []string{name}) }}
	serveFlags(cmd.Flags())
	return cmd
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show and check the configuration", Example: "  hxp config show\n  hxp config check --config /opt/citadel/config"}
	show := &cobra.Command{Use: "show", Short: "Print the effective settings and where each comes from; secrets are hidden", Args: noArgs, Example: "  hxp config show --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON, _ := cmd.Flags().GetBool("json")
			return app.ConfigShow(cmd.OutOrStdout(), loadOptions(cmd), asJSON)
		}}
	show.Flags().Bool("json", false, "as JSON")
	check := &cobra.Command{Use: "check", Short: "Report every fault of the configuration at once", Args: noArgs, Example: "  hxp config check --config ./config",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.ConfigCheck(cmd.OutOrStdout(), loadOptions(cmd))
		}}
	reference := &cobra.Command{Use: "reference", Short: "Print the reference of all settings as Markdown", Args: noArgs, Example: "  hxp config reference > docs/configuration.md",
		RunE: func(cmd *cobra.Command, _ []string) error { return app.ConfigReference(cmd.OutOrStdout()) }}
	for _, c := range []*cobra.Command{show, check} {
		configFlags(c.Flags())
	}
	cmd.AddCommand(show, check, reference)
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}
