package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func costsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "costs", Short: "What requests cost, and what they would have cost", Args: noVerb,
		Example: "  hxp costs show --by model,tenant\n  hxp costs prices put prices.json\n  hxp costs whatif --move 30%:big:small",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	for _, c := range []*cobra.Command{costsShow(), costsExport(), costsWhatIf(), costsOwn(), costsBudgets(), costsAccepted(), costsReconcile()} {
		configFlags(c.Flags())
		cmd.AddCommand(c)
	}
	cmd.AddCommand(costsPrices())
	return cmd
}

// costQuery reads the flags of a time, a grouping and a length, as far as a command has them.
func costQuery(cmd *cobra.Command) (q app.CostQuery, err error) {
	for name, to := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if err := periodFlag(cmd, name, to); err != nil {
			return q, usage(err)
		}
	}
	if by, _ := cmd.Flags().GetString("by"); by != "" {
		q.By = strings.Split(by, ",")
	}
	q.Own, _ = cmd.Flags().GetBool("own")
	if err := narrow(cmd, &q); err != nil {
		return q, usage(err)
	}
	if limit, err := cmd.Flags().GetInt("limit"); err == nil {
		if limit < 1 || limit > 1000 {
			return q, usage(fmt.Errorf("--limit %d: give 1 to 1000", limit))
		}
		q.Limit = limit
	}
	return q, nil
}

// shown asks the batch service what the flags say and prints the answer: as JSON with --json, else as the table that rows writes.
func shown[T any](cmd *cobra.Command, ask func(*app.Asked, context.Context, app.CostQuery) (T, error), rows func(w io.Writer, q app.CostQuery, answer T)) (answer T, err error) {
	q, err := costQuery(cmd)
	if err != nil {
		return answer, err
	}
	api, err := batchAPI(cmd)
	if err != nil {
		return answer, err
	}
	if answer, err = ask(api, cmd.Context(), q); err != nil {
		return answer, err
	}
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		return answer, printJSON(cmd, answer)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	rows(w, q, answer)
	return answer, w.Flush()
}

func timeFlags(cmd *cobra.Command) {
	cmd.Flags().String("from", "", "start, RFC 3339 or a date (UTC); the first of the month when not given")
	cmd.Flags().String("to", "", "end, exclusive; now when not given")
}

// narrow reads the flags of narrowFlags.
func narrow(cmd *cobra.Command, q *app.CostQuery) error {
	q.Only, q.Without = given(cmd, "only"), given(cmd, "without")
	for _, text := range q.Only {
		if part, value, _ := strings.Cut(text, ":"); part == "" || value == "" {
			return fmt.Errorf("--only %q: give PART:VALUE, as in user_id:ann", text)
		}
	}
	for _, text := range q.Without {
		if part, _, both := strings.Cut(text, ":"); part == "" || !both {
			return fmt.Errorf("--without %q: give PART:VALUE, as in tenant:tests", text)
		}
	}
	for _, text := range slices.Concat(q.Only, q.Without) {
		for _, behind := range strings.Split(text, ",")[1:] { // a value may have commas
			if part, _, both := strings.Cut(behind, ":"); both && slices.Contains(app.CostParts, part) {
				return fmt.Errorf("%q would be one value: give the flag again for %q", text, behind)
			}
		}
	}
	return nil
}

// given is what a flag that is a list was given, an empty text among it: an empty variable of a shell asks for something else than all.
func given(cmd *cobra.Command, flag string) []string {
	if f := cmd.Flags().Lookup(flag); f != nil {
		return f.Value.(pflag.SliceValue).GetSlice()
	}
	return nil // a command without it
}

func narrowFlags(cmd *cobra.Command) {
	cmd.Flags().StringArray("only", nil, "PART:VALUE, only requests of this value of a part that --by knows; once for each part")
	cmd.Flags().StringArray("without", nil, "PART:VALUE, nothing of this value; again for more")
}

func costsShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Show costs, the dearest first", Args: noArgs, Example: "  hxp costs show\n  hxp costs show --by model,day --from 2026-03-01 --to 2026-03-08\n  hxp costs show --by tenant --own --json\n  hxp costs show --by model --only user_id:ann\n  hxp costs show --without tenant:tests",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := shown(cmd, (*app.Asked).Costs, func(w io.Writer, q app.CostQuery, c app.Costs) {
				costTable(w, q.By, &c)
				if c.Next != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), "hxp: there are more lines; --limit shows up to 1000, hxp costs export all of them")
				}
			})
			return err
		}}
	timeFlags(cmd)
	narrowFlags(cmd)
	cmd.Flags().String("by", "model", "up to four of model, tenant, user_id, key, feature, prompt_version, endpoint, operation, session_id, host, hour, day, month")
	cmd.Flags().Bool("own", false, "also what they took of own GPUs (costs.self_hosted), and what nobody used")
	cmd.Flags().Int("limit", 50, "lines, 1 to 1000")
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func costTable(w io.Writer, by []string, c *app.Costs) {
	header := append(append([]string{}, by...), "cost usd", "requests", "unpriced", "tokens")
	if c.Own != nil {
		header = append(header, "own gpus usd")
	}
	fmt.Fprintln(w, strings.ToUpper(strings.Join(header, "\t")))
	line := func(key []string, l *app.CostLine) {
		cells := append(key, dollars(l.CostUSD), strconv.FormatUint(l.Requests, 10), strconv.FormatUint(l.Unpriced, 10), strconv.FormatInt(l.Tokens.Total, 10))
		if c.Own != nil {
			cells = append(cells, dollars(l.OwnUSD))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	for i := range c.Groups {
		key := make([]string, len(by))
		for n, part := range by {
			if key[n] = "-"; c.Groups[i].Key[part] != nil {
				key[n] = *c.Groups[i].Key[part]
			}
		}
		line(key, &c.Groups[i].CostLine)
	}
	if len(by) > 0 {
		line(append([]string{"total"}, make([]string, len(by)-1)...), &c.Total)
	} else {
		line(nil, &c.Total)
	}
	if c.Own != nil {
		fmt.Fprintf(w, "%s%s\n", "idle own gpus"+strings.Repeat("\t", max(1, len(by))+4), c.Own.IdleUSD)
	}
}

// dollars writes an amount, and a dash for one that nobody knows.
func dollars(u *app.USD) string {
	if u == nil {
		return "-"
	}
	return u.String()
}

func costsExport() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "Write costs to a file, as CSV or FOCUS 1.2", Args: noArgs, Example: "  hxp costs export --by model,tenant --own -o costs.csv\n  hxp costs export --format focus --from 2026-03-01 --to 2026-04-01 -o focus.csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := costQuery(cmd)
			if err != nil {
				return err
			}
			format, _ := cmd.Flags().GetString("format")
			if format != "csv" && format != "focus" {
				return usage(fmt.Errorf("--format %q: write csv or focus", format))
			}
			if format == "focus" {
				q.By = nil // it has its own
			}
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			text, err := api.CostFile(cmd.Context(), q, format)
			if err != nil {
				return err
			}
			if to, _ := cmd.Flags().GetString("output"); to != "-" {
				return os.WriteFile(to, text, 0o644)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		}}
	timeFlags(cmd)
	narrowFlags(cmd)
	cmd.Flags().String("by", "model", "as in hxp costs show; not for focus")
	cmd.Flags().Bool("own", false, "also own GPUs; focus always has them")
	cmd.Flags().String("format", "csv", "csv or focus")
	cmd.Flags().StringP("output", "o", "-", "file; - for standard output")
	return cmd
}

func costsWhatIf() *cobra.Command {
	cmd := &cobra.Command{Use: "whatif --move SHARE:FROM:TO", Short: "Tell what costs would have been on other models", Args: noArgs,
		Long:    "Tells what costs would have been, had another model served a share of the requests. The other costs what the price book says of it now,\nelse what its own requests of that time have cost; either is assumed to take as many tokens.",
		Example: "  hxp costs whatif --move 30%:big:small\n  hxp costs whatif --move 1:gpt-4o:own-llama --move 0.5:other:own-llama --from 2026-03-01 --to 2026-04-01 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			texts, _ := cmd.Flags().GetStringArray("move")
			if len(texts) == 0 {
				return usage(fmt.Errorf("%s: give at least one --move SHARE:FROM:TO, such as 30%%:big:small", cmd.CommandPath()))
			}
			var moves []app.Move
			for _, text := range texts {
				m, err := app.ParseMove(text)
				if err == nil && (m.From == "" || m.To == "") {
					err = errors.New("a model has no name")
				}
				if err != nil {
					return usage(fmt.Errorf("--move %q: %w; write SHARE:FROM:TO, such as 30%%:big:small", text, err))
				}
				moves = append(moves, m)
			}
			_, err := shown(cmd, func(api *app.Asked, ctx context.Context, q app.CostQuery) (app.WhatIfAnswer, error) {
				return api.WhatIf(ctx, q.From, q.To, moves)
			}, func(w io.Writer, _ app.CostQuery, a app.WhatIfAnswer) {
				fmt.Fprintln(w, "FROM\tTO\tREQUESTS\tCOST USD\tWOULD COST\tSAVING\tA MONTH\tBY")
				for _, m := range a.Moves {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", m.From, m.To, m.Requests, m.Before, m.After, m.Saving, m.Month, m.Basis)
				}
				fmt.Fprintf(w, "total\t\t\t%s\t%s\t%s\t%s\t\n", a.Before, a.After, a.Saving, a.Month)
			})
			return err
		}}
	timeFlags(cmd)
	cmd.Flags().StringArray("move", nil, "SHARE:FROM:TO; may be given several times")
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func costsOwn() *cobra.Command {
	cmd := &cobra.Command{Use: "self-hosted", Short: "Show what own GPUs cost", Args: noArgs, Example: "  hxp costs self-hosted --from 2026-03-01 --to 2026-04-01\n  hxp costs self-hosted --json",
		Long: "Shows what the pools of costs.self_hosted in batch-processing-api.yaml cost: loaded is a model's share of everything, idle hours too;\nmarginal its share of what was in use.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := shown(cmd, (*app.Asked).OwnCosts, func(w io.Writer, _ app.CostQuery, a app.OwnCosts) {
				fmt.Fprintln(w, "POOL\tMODEL\tFROM\tTO\tHOURS\tCOST USD\tUSED\tIDLE\tPER MILLION TOKENS\tMARGINAL")
				for _, p := range a.Pools {
					fmt.Fprintf(w, "%s\t\t%s\t%s\t%d\t%s\t%s\t%s\t\t\n", p.Name, toldMoment(p.From), toldMoment(p.To), p.Hours, p.CostUSD, dollars(p.UsedUSD), dollars(p.IdleUSD))
					for _, m := range p.Models {
						fmt.Fprintf(w, "\t%s\t\t\t\t%s\t%s\t\t%s\t%s\n", m.Model, m.LoadedUSD, dollars(m.MarginalUSD), money(m.PerMillion), money(m.Marginal))
					}
				}
			})
			return err
		}}
	timeFlags(cmd)
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

// toldMoment writes a time, and a dash where nobody says one.
func toldMoment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return moment(*t)
}

func money(x *float64) string {
	if x == nil {
		return "-"
	}
	return strconv.FormatFloat(*x, 'f', 4, 64)
}

func costsBudgets() *cobra.Command {
	cmd := &cobra.Command{Use: "budgets", Short: "Show how the budgets of the month stand", Args: noArgs, Example: "  hxp costs budgets\n  hxp costs budgets --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := shown(cmd, (*app.Asked).Budgets, func(w io.Writer, _ app.CostQuery, a app.Budgets) {
				fmt.Fprintln(w, "BUDGET\tSTATE\tUSD\tSPENT\tUSED\tEXPECTED\tSPENT ON")
				for _, b := range a.Budgets {
					on := "-"
					if b.BreachOn != nil {
						on = b.BreachOn.Format(time.DateOnly)
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.0f%%\t%s\t%s\n", b.Name, b.State, b.BudgetUSD, b.SpentUSD, b.UsedRatio*100, money(b.ExpectedUSD), on)
				}
			})
			return err
		}}
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func costsPrices() *cobra.Command {
	cmd := &cobra.Command{Use: "prices", Short: "The price book", Args: noVerb, Example: "  hxp costs prices list\n  hxp costs prices put prices.json\n  hxp costs prices put --effective-from 2026-01-01 model_prices_and_context_window.json",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	for _, c := range []*cobra.Command{pricesList(), pricesPut()} {
		configFlags(c.Flags())
		cmd.AddCommand(c)
	}
	return cmd
}

func pricesList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List prices, in USD for one token", Args: noArgs, Example: "  hxp costs prices list --model small --history\n  hxp costs prices list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := shown(cmd, func(api *app.Asked, ctx context.Context, _ app.CostQuery) (app.PriceList, error) {
				model, _ := cmd.Flags().GetString("model")
				history, _ := cmd.Flags().GetBool("history")
				return api.Prices(ctx, model, history)
			}, func(w io.Writer, _ app.CostQuery, list app.PriceList) {
				fmt.Fprintln(w, "MODEL\tEFFECTIVE FROM\tKNOWN FROM\tINPUT\tOUTPUT\tCACHED\tWRITTEN")
				known := func(v any) string {
					if v == nil {
						return "-"
					}
					return fmt.Sprint(v)
				}
				for _, p := range list.Prices {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", p["model"], p["effective_from"], known(p["known_from"]), known(p["input_cost_per_token"]), known(p["output_cost_per_token"]), known(p["cache_read_input_token_cost"]), known(p["cache_creation_input_token_cost"]))
				}
			})
			return err
		}}
	cmd.Flags().String("model", "", "of one model alone")
	cmd.Flags().Bool("history", false, "also what was replaced")
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}

func pricesPut() *cobra.Command {
	cmd := &cobra.Command{Use: "put FILE|-", Short: "Add or replace prices", Args: oneArg("file of prices; - for standard input"),
		Long:    "Puts the prices of a JSON file, {\"prices\": [{\"model\", \"effective_from\", \"input_cost_per_token\", …}]}, or of LiteLLM's list of prices,\nwhich names no time: --effective-from says from when on they hold. They rate requests that arrive from now on; what a request cost before stays.",
		Example: "  hxp costs prices put prices.json\n  hxp costs prices put --effective-from 2026-01-01 model_prices_and_context_window.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			var from time.Time
			if err := periodFlag(cmd, "effective-from", &from); err != nil {
				return usage(err)
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			text, err := io.ReadAll(in)
			if err != nil {
				return err
			}
			api, err := batchAPI(cmd)
			if err != nil {
				return err
			}
			p, err := api.PutPrices(cmd.Context(), text, from)
			if err != nil {
				return err
			}
			for _, warning := range p.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "hxp: "+warning)
			}
			if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
				return printJSON(cmd, p)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d prices are new or others\n", p.Changed)
			return err
		}}
	cmd.Flags().String("effective-from", "", "time from which the prices of LiteLLM's list hold, RFC 3339 or a date (UTC)")
	cmd.Flags().Bool("json", false, "as JSON")
	return cmd
}
