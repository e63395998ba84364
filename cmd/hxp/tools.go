package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// quiet is the log of commands that a person runs: only what is wrong.
func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// settings loads the configuration for a command without its warnings.
func settings(cmd *cobra.Command) (*app.Config, error) {
	cfg, _, err := app.LoadConfig(loadOptions(cmd))
	if err != nil {
		return nil, &exitError{1, fmt.Errorf("the configuration has faults:\n%w", err)}
	}
	return cfg, nil
}

func replayCommand() *cobra.Command {
	var r app.ReplayFlags
	cmd := &cobra.Command{
		Use: "replay FILE…", Short: "Send real trace files as events", Args: atLeastOne("file, or - for standard input"),
		Long: "Reads trace files (plain, .gz, .zst) and sends every row as an event. The format is found from the content: " + strings.Join(app.ReplayFormats(), ", ") +
			".\nIds come from the content, so replaying a file twice adds nothing. Exit code 1 when a row was refused.",
		Example: "  hxp replay burstgpt_1.csv\n  hxp replay --model code AzureLLMInferenceTrace_code.csv\n  zcat trace.jsonl.gz | hxp replay --speed 10 -",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			r.Files, r.Stdin, r.Terminal = args, cmd.InOrStdin(), term.IsTerminal(int(os.Stderr.Fd()))
			o, err := r.Options()
			if err != nil {
				return usage(err)
			}
			o.Future = cfg.EventProcessing.Stream.Future
			to, err := app.OpenSending(cmd.Context(), cfg, r.Via, r.To, quiet())
			if err != nil {
				return err
			}
			defer to.Close()
			if code := app.Replay(cmd.Context(), o, to, cmd.OutOrStdout(), cmd.ErrOrStderr()); code != 0 {
				return &exitError{code, nil}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Format, "format", "", "format of the files; found by content when absent")
	f.StringVar(&r.Start, "start", "", "zero of relative clocks, RFC 3339 (default 1970-01-01T00:00:00Z)")
	f.StringVar(&r.Speed, "speed", "max", "max, or event seconds a second: 1 is real time")
	f.StringVar(&r.Model, "model", "", "model where the format names none")
	f.StringVar(&r.Via, "via", "kafka", "kafka (straight to the topics) or http (through kafka-api)")
	f.StringVar(&r.To, "to", "", "brokers, or base URL of kafka-api")
	f.BoolVar(&r.JSON, "json", false, "summary as JSON")
	configFlags(f)
	return cmd
}

func simulateCommand() *cobra.Command {
	var s app.SimulateFlags
	cmd := &cobra.Command{
		Use: "simulate", Short: "Send believable generated traffic", Args: noArgs,
		Long: "Makes requests, feedback, business events and metrics of hosts, and sends them in real time, or with --past those of\n" +
			"the time before now, as fast as they are taken: reports, costs and forecasts need days. A profile is a YAML file with rate,\n" +
			"scenario, hosts, users and models (name, weight, prompt_tokens, completion_tokens, ttft_ms, tpot_ms, error_rate,\nusd_per_million_prompt, usd_per_million_completion).",
		Example: "  hxp simulate --rate 200 --duration 5m --scenario incident\n  hxp simulate --past 48h --rate 1 --scenario diurnal\n  hxp simulate --profile my-models.yaml --via http",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			if err := s.Check(); err != nil {
				return usage(err)
			}
			profile, err := s.Profile()
			if err != nil {
				return err
			}
			to, err := app.OpenSending(cmd.Context(), cfg, s.Via, s.To, quiet())
			if err != nil {
				return err
			}
			defer to.Close()
			n, err := s.Run(cmd.Context(), profile, to)
			fmt.Fprintf(cmd.OutOrStdout(), "%d events sent\n", n)
			return err
		},
	}
	f := cmd.Flags()
	f.Float64Var(&s.Rate, "rate", 50, "requests a second, on average")
	f.DurationVar(&s.Duration, "duration", 0, "how long; until Ctrl-C when absent")
	f.DurationVar(&s.Past, "past", 0, "send what would have come in so long before now, at once, and end")
	f.Int64Var(&s.Seed, "seed", 1, "makes the traffic reproducible")
	f.StringVar(&s.File, "profile", "", "YAML file that says what the traffic is like")
	s.Given = f.Changed
	f.StringVar(&s.Scenario, "scenario", "steady", strings.Join(app.Scenarios(), ", "))
	f.StringVar(&s.Via, "via", "kafka", "kafka or http")
	f.StringVar(&s.To, "to", "", "brokers, or base URL of kafka-api")
	configFlags(f)
	return cmd
}

func printJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printLine prints v as one line of JSON.
func printLine(cmd *cobra.Command, v any) error { return json.NewEncoder(cmd.OutOrStdout()).Encode(v) }

func benchCommand() *cobra.Command {
	var o app.BenchOptions
	cmd := &cobra.Command{
		Use: "bench NAME", Short: "Measure this machine: " + strings.Join(app.Benches(), ", "),
		Long: "Runs a measurement in a temporary folder and prints it with payload and machine. peers counts what a Kafka's topic llm-requests\n" +
			"holds, as stream processors are compared by; tools/real/stream-peers does all of it.",
		Example: "  hxp bench pipeline --duration 20s --json\n  hxp bench batch --dir /tmp/hour\n  hxp bench peers --kafka 127.0.0.1:9192 --out windows", ValidArgs: app.Benches(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("hxp bench: name one of %s", strings.Join(app.Benches(), ", ")))
			}
			res, err := app.Bench(cmd.Context(), args[0], o)
			if errors.Is(err, app.ErrNoBench) || errors.Is(err, app.ErrBadDuration) || errors.Is(err, app.ErrNoKafka) || errors.Is(err, app.ErrFewRows) || errors.Is(err, app.ErrBadMemory) {
				return usage(err)
			} else if err != nil {
				return err
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
			}
			return printJSON(cmd, res)
		},
	}
	cmd.Flags().DurationVar(&o.Duration, "duration", 20*time.Second, "how long to measure; below 20s streaming has fewer than 10,000 WebSockets")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "folder to work in, which keeps what was made; a temporary one when absent")
	cmd.Flags().Float64Var(&o.MemoryGB, "memory-gb", 0, "soft limit of the memory in GiB, as performance.memory_limit_gb sets it: with room to spare less is collected")
	cmd.Flags().IntVar(&o.Rows, "rows", app.BenchHourRows, "batch: requests in the hour that is folded")
	cmd.Flags().StringVar(&o.Kafka, "kafka", "", "peers: broker, host:port, on whose topic llm-requests hxp has not counted yet")
	cmd.Flags().Int64Var(&o.Fill, "fill", 0, "peers: fill the topic with so many events instead")
	cmd.Flags().BoolVar(&o.Unjoined, "unjoined", false, "peers: windows alone, as its peers have them; requests are not joined")
	cmd.Flags().StringVar(&o.Out, "out", "", "peers: topic that takes the windows; none are written when absent")
	cmd.Flags().Bool("json", false, "on one line")
	return cmd
}
