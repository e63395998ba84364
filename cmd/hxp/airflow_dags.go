package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// airflowDAG is what the commands use of a DAG.
type airflowDAG struct {
	ID      string     `json:"dag_id"`
	File    string     `json:"fileloc"`
	RelFile string     `json:"relative_fileloc"`
	Owners  []string   `json:"owners"`
	Paused  bool       `json:"is_paused"`
	Bundle  string     `json:"bundle_name"`
	Parse   float64    `json:"last_parse_duration"`
	Start   *time.Time `json:"next_dagrun_data_interval_start"`
	End     *time.Time `json:"next_dagrun_data_interval_end"`
}

type airflowTask struct {
	ID         string   `json:"task_id"`
	Downstream []string `json:"downstream_task_ids"`
	Colour     string   `json:"ui_color"`
	Text       string   `json:"ui_fgcolor"`
}

func airflowDags() *cobra.Command {
	cmd := group(&cobra.Command{Use: "dags", Short: "Manage DAGs", Example: "  airflow dags list\n  airflow dags show hxp_daily_aggregation"})
	cmd.AddCommand(dagsList(), dagsShow(), dagsDetails(), dagsTrigger(), dagsListRuns(), dagsPause("pause", true), dagsPause("unpause", false), dagsNext(), dagsState(), dagsBackfill(),
		dagsImportErrors(), dagsReport())
	return cmd
}

func dagPath(id string) string { return "/api/v2/dags/" + url.PathEscape(id) }

func dagsList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List all the DAGs", Args: noArgs, Example: "  airflow dags list\n  airflow dags list -o json\n  airflow dags list --columns dag_id,is_paused",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct{ DAGs []airflowDAG }
			if err := c.Call(cmd.Context(), http.MethodGet, "/api/v2/dags?limit=100", nil, &answer); err != nil {
				return err
			}
			var rows []airflowRow
			for _, d := range answer.DAGs {
				rows = append(rows, airflowRow{{"dag_id", d.ID}, {"fileloc", d.File}, {"owners", d.Owners}, {"is_paused", pyBool(d.Paused)}, {"bundle_name", d.Bundle}, {"bundle_version", nil}})
			}
			columns, _ := cmd.Flags().GetString("columns")
			if rows, err = chosenColumns(rows, columns); err != nil {
				return usage(fmt.Errorf("%s: --columns: %w", cmd.CommandPath(), err))
			}
			return show(cmd, rows)
		}}
	outputFlag(cmd)
	cmd.Flags().String("columns", "", "names of columns, separated by commas")
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B", "local": "l"})
	return cmd
}

// chosenColumns keeps the named columns, in their order.
func chosenColumns(rows []airflowRow, names string) ([]airflowRow, error) {
	if names == "" {
		return rows, nil
	}
	var out []airflowRow
	for _, r := range rows {
		var line airflowRow
		for name := range strings.SplitSeq(names, ",") {
			i := slices.IndexFunc(r, func(f airflowField) bool { return f.name == strings.TrimSpace(name) })
			if i < 0 {
				return nil, fmt.Errorf("there is no column %q", name)
			}
			line = append(line, r[i])
		}
		out = append(out, line)
	}
	return out, nil
}

func dagsShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show DAG", Short: "Print the tasks of a DAG with their order, as DOT of Graphviz", Args: dagArg,
		Example: "  airflow dags show hxp_daily_aggregation\n  airflow dags show hxp_daily_aggregation | dot -Tsvg > daily.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			if draw, _ := cmd.Flags().GetBool("imgcat"); draw {
				return usage(errors.New("airflow dags show --imgcat: pictures are not drawn here; pipe the output into dot of Graphviz"))
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct{ Tasks []airflowTask }
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id)+"/tasks", nil, &answer); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			file, _ := cmd.Flags().GetString("save")
			if file == "" {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), dot(id, answer.Tasks))
				return err
			}
			if ext := filepath.Ext(file); ext != ".dot" && ext != ".gv" {
				return usage(fmt.Errorf("airflow dags show --save %s: only .dot is written here; dot -T%s of Graphviz draws it", file, strings.TrimPrefix(ext, ".")))
			}
			if err := os.WriteFile(file, []byte(dot(id, answer.Tasks)), 0o644); err != nil { //nolint:gosec // a drawing
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "File %s saved\n", file)
			return err
		}}
	cmd.Flags().StringP("save", "s", "", "file to write, .dot")
	cmd.Flags().Bool("imgcat", false, "not available")
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B"})
	return cmd
}

// dot draws a DAG as Airflow does.
func dot(id string, tasks []airflowTask) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n\tgraph [label=%s labelloc=t rankdir=LR]\n", id, id)
	sorted := slices.Clone(tasks)
	sorting.By(sorted, func(x, y airflowTask) int { return strings.Compare(x.ID, y.ID) })
	for _, t := range sorted {
		fmt.Fprintf(&b, "\t%s [color=%q fillcolor=%q label=%s shape=rectangle style=\"filled,rounded\"]\n", t.ID, longColour(t.Text), t.Colour, t.ID)
	}
	for _, t := range sorted {
		for _, d := range t.Downstream {
			fmt.Fprintf(&b, "\t%s -> %s\n", t.ID, d)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// longColour writes #000 as #000000.
func longColour(c string) string {
	if len(c) != 4 {
		return c
	}
	return "#" + strings.Repeat(c[1:2], 2) + strings.Repeat(c[2:3], 2) + strings.Repeat(c[3:4], 2)
}

func dagsDetails() *cobra.Command {
	cmd := &cobra.Command{Use: "details DAG", Short: "Show what is known of a DAG", Args: dagArg, Example: "  airflow dags details hxp_daily_aggregation",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id), nil, &raw); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			fields, err := inOrder(raw)
			if err != nil {
				return err
			}
			if format, _ := cmd.Flags().GetString("output"); format == "json" || format == "yaml" {
				return show(cmd, []airflowRow{fields})
			}
			var rows []airflowRow
			for _, f := range fields {
				rows = append(rows, airflowRow{{"property_name", f.name}, {"property_value", f.value}})
			}
			return show(cmd, rows)
		}}
	outputFlag(cmd)
	return cmd
}

// inOrder reads a JSON object into a row in the order of its fields, with flags, numbers and times as Python prints them.
func inOrder(raw json.RawMessage) (airflowRow, error) {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var row airflowRow
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var v any
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		switch x := v.(type) {
		case bool:
			v = pyBool(x)
		case float64:
			v = strconv.FormatFloat(x, 'f', -1, 64)
		case string:
			if t, err := time.Parse(time.RFC3339, x); err == nil {
				v = pyTime(&t)
			}
		}
		row = append(row, airflowField{fmt.Sprint(name), v})
	}
	return row, nil
}

// dagsPause sets whether a DAG is paused. Of a DAG that is so already it says what Airflow says.
func dagsPause(word string, paused bool) *cobra.Command {
	short := map[bool]string{true: "Pause a DAG", false: "Resume a paused DAG"}[paused]
	cmd := &cobra.Command{Use: word + " DAG", Short: short, Args: dagArg, Example: "  airflow dags " + word + " hxp_monthly_aggregation",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var d airflowDAG
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id), nil, &d); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			if d.Paused == paused {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "No %spaused DAGs were found\n", map[bool]string{true: "un", false: ""}[paused])
				return err
			}
			if err := c.Call(cmd.Context(), http.MethodPatch, dagPath(id)+"?update_mask=is_paused", map[string]bool{"is_paused": paused}, &d); err != nil {
				return err
			}
			return show(cmd, []airflowRow{{{"dag_id", d.ID}, {"is_paused", pyBool(d.Paused)}}})
		}}
	outputFlag(cmd)
	ignored(cmd, map[string]string{"yes": "y", "subdir": "=S"})
	return cmd
}

func dagsImportErrors() *cobra.Command {
	cmd := &cobra.Command{Use: "list-import-errors", Short: "List the DAGs that cannot be read: none, they are built in", Args: noArgs, Example: "  airflow dags list-import-errors",
		RunE: func(cmd *cobra.Command, _ []string) error { return show(cmd, nil) }}
	outputFlag(cmd)
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B", "local": "l"})
	return cmd
}

func dagsReport() *cobra.Command {
	cmd := &cobra.Command{Use: "report", Short: "Report what DAGs there are by file", Args: noArgs, Example: "  airflow dags report",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct{ DAGs []airflowDAG }
			if err := c.Call(cmd.Context(), http.MethodGet, "/api/v2/dags?limit=100", nil, &answer); err != nil {
				return err
			}
			tasks, ids, file := 0, []string{}, ""
			for _, d := range answer.DAGs {
				var t struct{ Tasks []airflowTask }
				if err := c.Call(cmd.Context(), http.MethodGet, dagPath(d.ID)+"/tasks", nil, &t); err != nil {
					return err
				}
				tasks, ids, file = tasks+len(t.Tasks), append(ids, d.ID), d.RelFile
			}
			return show(cmd, []airflowRow{{{"file", file}, {"duration", "0:00:00"}, {"dag_num", strconv.Itoa(len(ids))}, {"task_num", strconv.Itoa(tasks)}, {"dags", ids}}})
		}}
	outputFlag(cmd)
	ignored(cmd, map[string]string{"subdir": "=S", "bundle-name": "=B"})
	return cmd
}
