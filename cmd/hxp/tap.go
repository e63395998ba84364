package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func tapCommand() *cobra.Command {
	var f app.TapFlags
	cmd := &cobra.Command{
		Use: "tap", Short: "Stand before an OpenAI-compatible server and send an event for each call", Args: noArgs,
		Long: "A reverse proxy that hands everything on byte for byte, streams included, and sends one llm_request event for each call to\n" +
			"KAFKA_BOOTSTRAP_SERVERS. While the bus is away everything passes, and events wait on disk under HXP_DATA_DIR.\n" +
			"Ctrl-C lets open streams end within --drain; a second one ends at once.",
		Example: "  hxp tap --listen :8000 --upstream http://127.0.0.1:8001\n" +
			"  KAFKA_BOOTSTRAP_SERVERS=kafka:9092 hxp tap --listen :8000 --upstream https://api.example.com --admin 127.0.0.1:8002 --data-dir /var/lib/hxp",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.Check(); err != nil {
				return usage(err)
			}
			cfg, _, log, err := load(cmd)
			if err != nil {
				return err
			}
			return app.Tap(cmd.Context(), cfg, f, cmd.OutOrStdout(), log)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Listen, "listen", ":8000", "host:port for the clients")
	flags.StringVar(&f.Upstream, "upstream", "", "base URL of the server behind the tap")
	flags.StringVar(&f.Admin, "admin", "", "host:port of /health and /metrics; none when absent")
	flags.DurationVar(&f.UpstreamTimeout, "upstream-timeout", 0, "how long the upstream may take to begin an answer; for ever when 0")
	flags.DurationVar(&f.Drain, "drain", 30*time.Second, "how long open requests may go on after Ctrl-C")
	flags.IntVar(&f.MaxOpen, "max-open", 20_000, "requests at the same time; more are answered 503")
	flags.IntVar(&f.Queue, "queue", 10_000, "events that wait in memory")
	flags.Int64Var(&f.SpillBytes, "spill-bytes", 256<<20, "disk for events that wait")
	configFlags(flags)
	return cmd
}
