package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// airflowRow is one line of what the commands under the name airflow print: values by column, in order. A value is a string, nil, a list of
// strings, or json.RawMessage of an object.
type airflowRow []airflowField

type airflowField struct {
	name  string
	value any
}

// pyBool, pyTime and pyISO write values as Python does.
func pyBool(v bool) string {
	if v {
		return "True"
	}
	return "False"
}

func pyTime(t *time.Time) any {
	if t == nil {
		return nil
	}
	return strings.Replace(pyISO(t), "T", " ", 1)
}

func pyISO(t *time.Time) string {
	if t == nil {
		return ""
	}
	u := t.UTC().Truncate(time.Microsecond)
	if u.Nanosecond() == 0 {
		return u.Format("2006-01-02T15:04:05+00:00")
	}
	return u.Format("2006-01-02T15:04:05.000000+00:00")
}

// pyRepr writes a value of JSON as Python shows it.
func pyRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return pyBool(v)
	case string:
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(v) + "'"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = pyRepr(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for i, k := range keys {
			keys[i] = pyRepr(k) + ": " + pyRepr(v[k])
		}
		return "{" + strings.Join(keys, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// cellText is a value in a table.
func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return v
	case []string:
		return strings.Join(v, ",")
	}
	return pyRepr(decoded(v))
}

// decoded is what JSON holds, as plain values.
func decoded(v any) any {
	var out any
	data, err := json.Marshal(v)
	if err != nil || json.Unmarshal(data, &out) != nil {
		return fmt.Sprint(v) // not of the kinds above
	}
	return out
}

var airflowOutputs = []string{"table", "json", "yaml", "plain"}

// printAirflow prints rows in one of Airflow's formats.
func printAirflow(w io.Writer, format string, rows []airflowRow) error {
	switch {
	case format == "json":
		return printAirflowJSON(w, rows)
	case len(rows) == 0:
		_, err := fmt.Fprintln(w, "No data found")
		return err
	case format == "yaml":
		return printAirflowYAML(w, rows)
	case format == "plain":
		return printAirflowPlain(w, rows)
	}
	return printAirflowTable(w, rows)
}

// printAirflowTable prints columns apart by bars, a double line under their names, and a blank line of the same width, which is how Airflow's
// tables end.
func printAirflowTable(w io.Writer, rows []airflowRow) error {
	cells, widths := measure(rows, cellText)
	var b strings.Builder
	total := 0
	for i, line := range cells {
		total = 0
		for c, text := range line {
			if c > 0 {
				b.WriteString(" | ")
				total += 3
			}
			b.WriteString(pad(text, widths[c]))
			total += widths[c]
		}
		b.WriteByte('\n')
		if i > 0 {
			continue
		}
		for c, width := range widths {
			switch {
			case len(widths) == 1:
			case c == 0 || c == len(widths)-1:
				width++
			default:
				width += 2
			}
			if c > 0 {
				b.WriteByte('+')
			}
			b.WriteString(strings.Repeat("=", width))
		}
		b.WriteByte('\n')
	}
	b.WriteString(strings.Repeat(" ", total) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// measure renders names and values and finds how wide each column is.
func measure(rows []airflowRow, text func(any) string) (cells [][]string, widths []int) {
	for _, f := range rows[0] {
		widths = append(widths, utf8.RuneCountInString(f.name))
	}
	head := make([]string, len(rows[0]))
	for i, f := range rows[0] {
		head[i] = f.name
	}
	cells = append(cells, head)
	for _, r := range rows {
		line := make([]string, len(r))
		for i, f := range r {
			line[i] = strings.ReplaceAll(text(f.value), "\n", " ")
			widths[i] = max(widths[i], utf8.RuneCountInString(line[i]))
		}
		cells = append(cells, line)
	}
	return cells, widths
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// printAirflowPlain prints columns apart by blanks; None is nothing.
func printAirflowPlain(w io.Writer, rows []airflowRow) error {
	cells, widths := measure(rows, func(v any) string {
		switch v := v.(type) {
		case nil:
			return ""
		case []string:
			return pyRepr(decoded(v))
		default:
			return cellText(v)
		}
	})
	var b strings.Builder
	for _, line := range cells {
		var text strings.Builder
		for c, cell := range line {
			if c > 0 {
				text.WriteString("  ")
			}
			text.WriteString(pad(cell, max(widths[c], utf8.RuneCountInString(cells[0][c])+2)))
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printAirflowJSON prints one line with a blank after each comma and colon, as Python does.
func printAirflowJSON(w io.Writer, rows []airflowRow) error {
	items := make([]string, len(rows))
	for i, r := range rows {
		fields := make([]string, len(r))
		for j, f := range r {
			fields[j] = pyJSON(f.name) + ": " + pyJSON(decoded(f.value))
		}
		items[i] = "{" + strings.Join(fields, ", ") + "}"
	}
	_, err := fmt.Fprintln(w, "["+strings.Join(items, ", ")+"]")
	return err
}

func pyJSON(v any) string {
	switch v := v.(type) {
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = pyJSON(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for i, k := range keys {
			keys[i] = pyJSON(k) + ": " + pyJSON(v[k])
		}
		return "{" + strings.Join(keys, ", ") + "}"
	}
	data, _ := json.Marshal(v) // a string, a number, a flag or null
	return string(data)
}

// printAirflowYAML prints a list of maps with their keys in order, and a blank line behind, as Airflow does.
func printAirflowYAML(w io.Writer, rows []airflowRow) error {
	var b strings.Builder
	for _, r := range rows {
		sorted := slices.Clone(r)
		sorting.By(sorted, func(x, y airflowField) int { return strings.Compare(x.name, y.name) })
		for i, f := range sorted {
			lead := "  "
			if i == 0 {
				lead = "- "
			}
			b.WriteString(lead + f.name + ":" + yamlValue(decoded(f.value), "  ") + "\n")
		}
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}

// yamlValue is what follows a key and its colon.
func yamlValue(v any, indent string) string {
	switch v := v.(type) {
	case nil:
		return " null"
	case string:
		return " " + yamlText(v)
	case []any:
		var b strings.Builder
		for _, item := range v {
			b.WriteString("\n" + indent + "-" + yamlValue(item, indent+"  "))
		}
		if len(v) == 0 {
			return " []"
		}
		return b.String()
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		var b strings.Builder
		for _, k := range keys {
			b.WriteString("\n" + indent + "  " + yamlText(k) + ":" + yamlValue(v[k], indent+"  "))
		}
		if len(v) == 0 {
			return " {}"
		}
		return b.String()
	}
	return " " + pyJSON(v)
}

// otherThanText is what YAML 1.1 would not read as text without quotes: flags, nothing, numbers, times.
var otherThanText = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|null|~|)$|^[-+.]?[0-9][0-9_.,:eE+-]*$|^\d{4}-\d\d-\d\d([Tt ].*)?$`)

func yamlText(s string) string {
	if strings.ContainsAny(s, "\n\t\x00") {
		return pyJSON(s)
	}
	if otherThanText.MatchString(s) || strings.ContainsAny(s, "#") && strings.Contains(s, " #") || strings.Contains(s, ": ") || strings.HasSuffix(s, ":") ||
		strings.ContainsAny(s[:1], "!&*-?{}[],|>@`\"'%#: ") || strings.HasSuffix(s, " ") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}
