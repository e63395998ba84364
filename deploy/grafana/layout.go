package main

import "strings"

// board is one dashboard.
type board struct {
	file, title, about string
	rows               []row
}

// row is a line of panels under a title; a board of a single row needs none.
type row struct {
	title  string
	panels []panel
}

// panel is what stands in one frame.
type panel struct {
	title, kind, unit, about string
	queries                  []query
	bounds                   []bound // where it becomes bad, if that can be said
	words                    []mappingText
	ratio                    bool // 0 to 1
}

type query struct{ expr, legend string }

// bound is the value from which on, or below which, something wants to be looked at.
type bound struct {
	value float64
	below bool
}

const (
	across  = 24 // columns of Grafana's grid
	highest = 8
)

var source = datasource{Type: "prometheus", UID: "${datasource}"}

func (b board) layOut() document {
	d := document{
		UID: "hxp-" + b.file, Title: b.title, Description: b.about, Tags: []string{"hxp"}, Timezone: "browser", Editable: true, GraphTooltip: 1, Refresh: "30s", SchemaVersion: 39,
		Time:       timeRange{"now-6h", "now"},
		Templating: templating{[]variable{{Name: "datasource", Label: "Prometheus", Type: "datasource", Query: "prometheus"}}},
		Links:      []link{{Title: "hxp", Type: "dashboards", Icon: "external link", Tooltip: "The other dashboards of hxp", Tags: []string{"hxp"}, AsDropdown: true, IncludeVars: true, KeepTime: true}},
	}
	d.Annotations.List = []any{}
	y := 0
	add := func(p grafanaPanel, at place) {
		p.ID, p.GridPos = len(d.Panels)+1, at
		d.Panels = append(d.Panels, p)
	}
	for _, r := range b.rows {
		if r.title != "" {
			add(grafanaPanel{Title: r.title, Type: "row", Collapsed: new(false)}, place{1, across, 0, y})
			y++
		}
		perLine := min(len(r.panels), 3)
		if len(r.panels) == 4 {
			perLine = 2
		}
		width := across / perLine
		for i, p := range r.panels {
			add(p.frame(), place{highest, width, i % perLine * width, y + i/perLine*highest})
		}
		y += (len(r.panels) + perLine - 1) / perLine * highest
	}
	return d
}

func (p panel) frame() grafanaPanel {
	f := grafanaPanel{Title: p.title, Description: p.about, Type: p.kind, Datasource: &source, FieldConfig: p.fields(), Options: options[p.kind]}
	for i, q := range p.queries {
		t := target{RefID: string(rune('A' + i)), Datasource: source, Expr: q.expr, LegendFormat: q.legend, Range: true, Format: "time_series"}
		if p.kind == "table" {
			t.Range, t.Instant, t.Format = false, true, "table"
		}
		f.Targets = append(f.Targets, t)
	}
	return f
}

func (p panel) fields() *fieldConfig {
	d := fieldDefaults{Unit: p.unit, Thresholds: thresholds{Mode: "absolute", Steps: p.steps()}, Mappings: []mapping{}, Custom: map[string]any{}}
	if p.ratio {
		d.Min, d.Max = new(0.0), new(1.0)
	} else if p.kind == "timeseries" && len(p.words) == 0 {
		d.Min = new(0.0)
	}
	if len(p.words) > 0 {
		m := mapping{Type: "value", Options: map[string]mappingText{}}
		for i, w := range p.words {
			value, text, _ := strings.Cut(w.Text, " ")
			m.Options[value] = mappingText{Text: text, Color: w.Color, Index: i}
		}
		d.Mappings = []mapping{m}
	}
	if p.kind == "timeseries" {
		d.Custom = map[string]any{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false}
		if len(p.bounds) > 0 {
			d.Custom["thresholdsStyle"] = map[string]any{"mode": "line"}
		}
	}
	return &fieldConfig{Defaults: d, Overrides: []any{}}
}

// steps colours by the bounds: green is good, red is what the rules of Prometheus tell of.
func (p panel) steps() []step {
	good, bad := "green", "red"
	if len(p.bounds) == 0 {
		return []step{{good, nil}}
	}
	b := p.bounds[0]
	if b.below {
		good, bad = bad, good
	}
	return []step{{good, nil}, {bad, &b.value}}
}

// options of the kinds of panels.
var options = map[string]any{
	"timeseries": map[string]any{
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	},
	"stat": map[string]any{
		"colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	},
	"table": map[string]any{"showHeader": true, "cellHeight": "sm"},
}
