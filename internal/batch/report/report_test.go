package report

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

var update = flag.Bool("update", false, "write golden files anew")

func render(t testing.TB, d interface {
	Render(string) ([]byte, error)
}, format string) []byte {
	t.Helper()
	b, err := d.Render(format)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew); got\n%s", path, got)
	}
}

func TestGolden(t *testing.T) {
	s := sample(Daily, 2)
	s.Rows = slices.DeleteFunc(s.Rows, func(r agg.Row) bool { return r.Model != agg.AllModels && r.Model[0] != '=' })
	s.Models = s.Models[4:5]
	s.Rows[len(s.Rows)-1].Completeness = new(0.5)
	golden(t, "daily.json", render(t, s, JSON))
	golden(t, "daily.csv", render(t, s, CSV))
	golden(t, "test.json", render(t, &TestPage{Period: s.Period, Hours: s.Trend[:2]}, JSON))
}

// The same data give the same bytes, whatever the order of maps and the time of day.
func TestBytesDependOnDataAlone(t *testing.T) {
	for _, format := range Formats {
		first := render(t, sample(Weekly, 2), format)
		for range 5 {
			if !bytes.Equal(render(t, sample(Weekly, 2), format), first) {
				t.Fatalf("%s: other bytes from the same data", format)
			}
		}
		other := sample(Weekly, 2)
		other.Rows[0].Requests++
		other.Total.Requests++
		if bytes.Equal(render(t, other, format), first) {
			t.Errorf("%s: the same bytes from other data", format)
		}
		later := sample(Weekly, 2)
		for i := range later.Rows {
			later.Rows[i].UpdatedAt = later.Rows[i].UpdatedAt.Add(time.Hour)
		}
		if !bytes.Equal(render(t, later, format), first) {
			t.Errorf("%s: when a row was written changes the report", format)
		}
	}
}

func TestCSVHasTheRowsOfTheJSON(t *testing.T) {
	s := sample(Hourly, 24)
	var doc struct {
		Rows []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal(render(t, s, JSON), &doc); err != nil {
		t.Fatal(err)
	}
	body := string(render(t, s, CSV))
	if strings.Count(body, "\n") != strings.Count(body, "\r\n") || !strings.HasSuffix(body, "\r\n") {
		t.Error("a line does not end in CRLF")
	}
	table, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(table) != len(doc.Rows)+1 {
		t.Fatalf("%d lines for %d rows: %v", len(table), len(doc.Rows), err)
	}
	for i, line := range table[1:] {
		if len(line) != len(doc.Rows[i]) {
			t.Fatalf("line %d has %d cells, its row %d fields", i, len(line), len(doc.Rows[i]))
		}
		for j, column := range table[0] {
			switch want := doc.Rows[i][column].(type) {
			case nil:
				if line[j] != "" {
					t.Errorf("%s of line %d is %q, want nothing", column, i, line[j])
				}
			case float64:
				if v, err := strconv.ParseFloat(line[j], 64); err != nil || v != want {
					t.Errorf("%s of line %d is %q, want %v", column, i, line[j], want)
				}
			case string:
				if strings.TrimPrefix(line[j], "'") != want {
					t.Errorf("%s of line %d is %q, want %q", column, i, line[j], want)
				}
			}
		}
	}
}

func TestCellsAreNoFormulas(t *testing.T) {
	for in, want := range map[string]string{"": "", "gpt": "gpt", "=1+1": "'=1+1", "+1": "'+1", "-x": "'-x", "@a": "'@a", "\tx": "'\tx", "\r=1": " =1", "a\nb": "a b", "|x": "'|x", "a=b": "a=b"} {
		if got := harmless(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	for _, tc := range []struct {
		v    any
		want string
	}{{new(-0.5), "-0.5"}, {int64(-5), "-5"}, {(*float64)(nil), ""}, {time.Time{}, ""}, {day0, "2025-06-02T00:00:00Z"}, {"-x", "'-x"}} {
		if got := Cell(tc.v); got != tc.want {
			t.Errorf("%v becomes %q, want %q", tc.v, got, tc.want)
		}
	}
}

// words returns the texts that a PDF draws, page by page, read from its content streams.
func words(t testing.TB, pdf []byte) (pages []string) {
	t.Helper()
	text := regexp.MustCompile(`\((?s:((?:[^\\)]|\\.)*))\) Tj`)
	escape := regexp.MustCompile(`(?s)\\(.)`)
	for rest := pdf; ; {
		_, after, ok := bytes.Cut(rest, []byte("stream\n"))
		if !ok {
			return pages
		}
		body, next, _ := bytes.Cut(after, []byte("\nendstream"))
		rest = next
		z, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			continue // not compressed: no page
		}
		plain, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(plain, []byte(" Tj")) || bytes.Contains(plain, []byte("begincmap")) {
			continue
		}
		var page strings.Builder
		for _, m := range text.FindAllSubmatch(plain, -1) {
			raw := escape.ReplaceAllFunc(m[1], func(e []byte) []byte {
				if e[1] == 'r' {
					return []byte("\r")
				}
				return e[1:]
			})
			var units []uint16
			for i := 0; i+1 < len(raw); i += 2 {
				units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
			}
			page.WriteString(string(utf16.Decode(units)) + "\n")
		}
		pages = append(pages, page.String())
	}
}

func TestPagesOfThePDF(t *testing.T) {
	for _, tc := range []struct {
		kind Kind
		n    int
	}{{Hourly, 1}, {Hourly, 72}, {Daily, 1}, {Daily, 90}, {Weekly, 1}, {Monthly, 1}, {Monthly, 12}} {
		s := sample(tc.kind, tc.n)
		b := render(t, s, PDF)
		if len(b) > 1<<20 {
			t.Errorf("%s of %d: %d bytes", tc.kind, tc.n, len(b))
		}
		pages := words(t, b)
		if len(pages) < 2 {
			t.Fatalf("%s of %d: %d pages", tc.kind, tc.n, len(pages))
		}
		for i, p := range pages {
			if want := "page " + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(pages)); !strings.Contains(p, want) {
				t.Errorf("%s of %d: page %d does not say %q:\n%s", tc.kind, tc.n, i+1, want, p)
			}
		}
		for _, h := range s.Headline() {
			if !strings.Contains(pages[0], h.Text) || !strings.Contains(pages[0], h.Label) {
				t.Errorf("page one lacks %s %q:\n%s", h.Label, h.Text, pages[0])
			}
		}
		all, last := strings.Join(pages, ""), pages[len(pages)-1]
		for _, m := range sampleModels[:5] {
			if !strings.Contains(all, m.name) {
				t.Errorf("%s of %d: no word of %q", tc.kind, tc.n, m.name)
			}
		}
		if !strings.Contains(last, "Data coverage") || !strings.Contains(last, "Definitions") {
			t.Errorf("the last page says\n%s", last)
		}
		if bytes.Contains(b, []byte("CreationDate")) || bytes.Contains(b, []byte("ModDate")) {
			t.Error("the file says when it was made")
		}
	}
}

// Rows that would make the document too large to be mailed stay out of it, and it says where they are.
func TestLargeTablesAreNotAttached(t *testing.T) {
	s := sample(Hourly, 2232)
	b := render(t, s, PDF)
	if len(b) > 1<<20 || bytes.Contains(b, []byte("/EmbeddedFile ")) {
		t.Errorf("%d bytes", len(b))
	}
	if pages := words(t, b); !strings.Contains(pages[len(pages)-1], "too large to be attached") {
		t.Errorf("the last page says\n%s", pages[len(pages)-1])
	}
	if b := render(t, sample(Hourly, 72), PDF); !bytes.Contains(b, []byte("/EmbeddedFile ")) {
		t.Error("three days are not attached")
	}
}

// A report without data is a report that says so.
func TestNothingToTell(t *testing.T) {
	s := &Summary{Kind: Daily, Period: Period{day0, Step("daily", day0, 1)}, TrendLevel: "hourly", TrendPeriod: Period{day0, Step("daily", day0, 1)}, Missing: []time.Time{day0}}
	var doc summaryJSON
	if err := json.Unmarshal(render(t, s, JSON), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Headline) != 5 || doc.Completeness != 0 || doc.Rows == nil || len(doc.Rows) != 0 {
		t.Errorf("%+v", doc)
	}
	for _, h := range doc.Headline[1:] {
		if h.Value != nil || h.Text != noData || h.Change != nil || h.Trend != Unknown {
			t.Errorf("%+v", h)
		}
	}
	if pages := words(t, render(t, s, PDF)); !strings.Contains(pages[0], "No events were counted in this period.") {
		t.Errorf("page one says\n%s", pages[0])
	}
	if got := string(render(t, s, CSV)); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "timestamp,model,") {
		t.Errorf("%q", got)
	}
}

// Nobody reads of a period without events that all of it is counted.
func TestAnEmptyPeriodIsNotCalledWhole(t *testing.T) {
	day := Period{day0, Step("daily", day0, 1)}
	s := &Summary{Kind: Daily, Period: day, TrendLevel: "hourly", TrendPeriod: day}
	pages := strings.Join(words(t, render(t, s, PDF)), " ")
	if strings.Contains(pages, "100 %") || !strings.Contains(pages, "no event of the period is known") {
		t.Errorf("the pages say\n%s", pages)
	}
}

func TestHeadlineComparesWithThePeriodBefore(t *testing.T) {
	s := sample(Daily, 3)
	s.Total.ErrorRate, s.Previous.ErrorRate = new(0.02), new(0.01)
	s.Total.LatencyP95MS, s.Previous.LatencyP95MS = new(900.0), new(1000.0)
	s.Previous.UserSatisfaction = s.Total.UserSatisfaction
	s.Previous.CostUSD = nil
	got := map[string]Headline{}
	for _, h := range s.Headline() {
		got[h.Key] = h
	}
	for key, want := range map[string]struct {
		change *float64
		trend  Trend
	}{"error_rate": {new(1.0), Worse}, "latency_p95_ms": {new(-0.1), Better}, "user_satisfaction": {new(0.0), Same}, "cost_usd": {nil, Unknown}} {
		h := got[key]
		if (h.Change == nil) != (want.change == nil) || h.Change != nil && (*h.Change-*want.change > 1e-12 || *want.change-*h.Change > 1e-12) || h.Trend != want.trend {
			t.Errorf("%s: %v %s", key, h.Change, h.Trend)
		}
	}
	if got["requests"].Trend != Neutral {
		t.Errorf("more requests are %s", got["requests"].Trend)
	}
	if want := "Compared with the 3 days before, latency got better and the error rate got worse."; s.lead() != want {
		t.Errorf("lead: %s", s.lead())
	}
	if want := "95 of 100 successful requests took at most 900 ms; 1,000 ms in the 3 days before."; got["latency_p95_ms"].Sentence != want {
		t.Errorf("sentence: %s", got["latency_p95_ms"].Sentence)
	}
}

func TestWrongDataIsNoReport(t *testing.T) {
	for name, spoil := range map[string]func(*Summary){
		"outside":   func(s *Summary) { s.Rows[0].Timestamp = s.Period.End },
		"two":       func(s *Summary) { s.Rows[1] = s.Rows[0] },
		"order":     func(s *Summary) { s.Rows[0], s.Rows[1] = s.Rows[1], s.Rows[0] },
		"unaligned": func(s *Summary) { s.Period.End = s.Period.End.Add(time.Hour) },
		"kind":      func(s *Summary) { s.Kind = Cost },
	} {
		s := sample(Daily, 1)
		spoil(s)
		for _, f := range Formats {
			if _, err := s.Render(f); err == nil {
				t.Errorf("%s: %s is made", name, f)
			}
		}
	}
	if _, err := sample(Daily, 1).Render("docx"); err == nil {
		t.Error("docx is made")
	}
}

// thirtyDaysOfTwelve is a month by day of twelve models, with everything that a report can have beside its rows.
func thirtyDaysOfTwelve() *Summary {
	s := sample(Daily, 30)
	for i := range 12 - len(sampleModels) {
		name, share := fmt.Sprintf("model-of-a-vendor-%02d", i), 0.02*float64(i+1)
		for t := s.Period.Start; t.Before(s.Period.End); t = Step("daily", t, 1) {
			s.Rows = append(s.Rows, sampleRow(t, name, share, 24))
		}
		s.Models = append(s.Models, sampleRow(s.Period.Start, name, share, 720))
		s.Unpriced[name] = 0
	}
	slices.SortFunc(s.Rows, func(a, b agg.Row) int {
		return cmp.Or(a.Timestamp.Compare(b.Timestamp), strings.Compare(a.Model, b.Model))
	})
	return s
}

func TestSizeOfAMonthOfTwelveModels(t *testing.T) {
	s := thirtyDaysOfTwelve()
	if len(s.Models) != 12 || len(s.Rows) != 30*13 {
		t.Fatalf("%d models, %d rows", len(s.Models), len(s.Rows))
	}
	b := render(t, s, PDF)
	if len(b) > 1_000_000 {
		t.Errorf("%d bytes", len(b))
	}
	all := strings.Join(words(t, b), "")
	for i := range s.Models[6:] {
		if name := s.Models[6+i].Model; !strings.Contains(all, name) {
			t.Errorf("no word of %s", name)
		}
	}
	t.Logf("%d bytes, %d pages", len(b), len(words(t, b)))
}

// The report of capacity says in its pages and in its CSV what the API says.
func TestCapacityTellsAll(t *testing.T) {
	c := sampleCapacity()
	pages := words(t, render(t, c, PDF))
	all := strings.Join(pages, "")
	for _, want := range []string{"2 → 5", "TTFT p95", "41 (29 to 63)", "In 41 days (29 to 63)", "87 %", "$5,670.00", "168 %", "critical", "Capacity is short", "demand_per_hour", "ceil(2 × 61,344 ÷ (0.7 × (3600 × 14.2 ÷ 1.4)))) + 1 = 5", "0.71", "1.10", "93 % of 90 %",
		"GPU usage 51,000", "Requests waiting", "σ = 0.061", "Beyond 21 machines", "5 of 14 days"} {
		if !strings.Contains(all, want) {
			t.Errorf("the pages lack %q", want)
		}
	}
	if !strings.Contains(pages[0], "Target reached") || !strings.Contains(pages[0], "Cost of the change") {
		t.Errorf("page one:\n%s", pages[0])
	}
	r := csv.NewReader(bytes.NewReader(render(t, c, CSV)))
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, name := range rows[0] {
		at[name] = i
	}
	found := map[string]string{}
	for _, row := range rows[1:] {
		found[row[at["section"]]+" "+row[at["name"]]] = row[at["value"]]
		if row[at["section"]] == "scaling_recommendations" {
			for name, want := range map[string]string{"value": "5", "previous": "2", "binding_constraint": "ttft_p95", "confidence": "0.87", "exhaustion_days": "41", "exhaustion_lo": "29", "exhaustion_hi": "63", "cost_delta_usd_month": "5670", "carries_per_hour": "36514.3"} {
				if row[at[name]] != want {
					t.Errorf("%s is %q, want %q", name, row[at[name]], want)
				}
			}
		}
		if row[at["section"]] == "forecast_backtests" && (row[at["coverage"]] != "0.93" || row[at["interval"]] != "0.9" || row[at["origins"]] != "12") {
			t.Errorf("%v", row)
		}
	}
	for name, want := range map[string]string{"formula_inputs knee_per_second": "14.2", "constraints gpu_usage": "51000", "alerts CapacityShort": "61344", "scaling_law sigma": "0.061", "saturation ttft_ms.p95": "14.2", "phases prefill": "5822", "insufficient_data growth_trends": "5", "resource_utilization requests_waiting_max": "41"} {
		if found[name] != want {
			t.Errorf("%s is %q, want %q", name, found[name], want)
		}
	}
}

// Poppler and qpdf, where they are installed, find what our own reader cannot: words beyond the page, fonts that are not in the file,
// a broken cross-reference table. Names are as long as they get.
func TestPDFWithRealTools(t *testing.T) {
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("poppler is not installed")
	}
	s := sample(Monthly, 1)
	long := s.Models[0]
	long.Model = strings.Repeat("very-long-model-name-", 12)
	s.Models = append([]agg.Row{long}, s.Models...)
	all := documents()
	all["monthly"] = s
	for _, n := range []Insight{all["bi"].(Insight), all["cost"].(Insight)} {
		n.Models, n.Tenants, n.Users = append([]agg.Row{long}, n.Models...), append([]agg.Row{long}, n.Tenants...), append([]agg.Row{long}, n.Users...)
		n.Found.Findings[0].Text += " " + long.Model + strings.Repeat(" and so on", 40)
		n.Budgets[0].Name, n.Own[0].Name = long.Model, long.Model
	}
	for name, doc := range all {
		b := render(t, doc, PDF)
		file := filepath.Join(t.TempDir(), name+".pdf")
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		run := func(tool string, args ...string) string {
			if _, err := exec.LookPath(tool); err != nil {
				t.Logf("%s is not installed", tool)
				return ""
			}
			out, err := exec.Command(tool, args...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %s %v: %v\n%s", name, tool, args, err, out)
			}
			return string(out)
		}
		run("qpdf", "--check", file)
		if fonts := run("pdffonts", file); strings.Count(fonts, " yes no  yes ") != 2 {
			t.Errorf("%s: fonts are not embedded:\n%s", name, fonts)
		}
		if list := run("pdfdetach", "-list", file); name != "hourly" && !strings.Contains(list, ".csv") {
			t.Errorf("%s: the CSV is not attached: %s", name, list)
		}
		if text := run("pdftotext", "-layout", file, "-"); name == "monthly" && !strings.Contains(text, s.Headline()[0].Text) {
			t.Errorf("%s: text is\n%s", name, text)
		}
		box := regexp.MustCompile(`<word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*?)</word>`)
		found := box.FindAllStringSubmatch(run("pdftotext", "-bbox", file, "-"), -1)
		for _, m := range found {
			var v [4]float64
			for i := range v {
				v[i], _ = strconv.ParseFloat(m[i+1], 64)
			}
			if v[0] < 50 || v[1] < 30 || v[2] > 545.5 || v[3] > 825 {
				t.Errorf("%s: %q leaves the margins: %v", name, m[5], v)
			}
		}
		if len(found) < 50 {
			t.Errorf("%s: %d words", name, len(found))
		}
	}
}

func BenchmarkMonthlyPDF(b *testing.B) {
	s := thirtyDaysOfTwelve()
	for b.Loop() {
		if len(render(b, s, PDF)) == 0 {
			b.Fatal("nothing")
		}
	}
}

// Incidents, and what was done about them, stand in the reports of business intelligence and of costs in every format; where nobody knows, none does.
func TestInsightTellsIncidents(t *testing.T) {
	for _, k := range []Kind{MonthlyBusiness, Cost} {
		n := sampleInsight(k, map[Kind]int{MonthlyBusiness: 1, Cost: 30}[k])
		all := strings.Join(words(t, render(t, n, PDF)), "")
		for _, want := range []string{"Incidents and actions taken", "ttft-slo-burn, mixtral-8x7b", "take_out at vllm-2, reverted", "17 min 0 s"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s: the pages lack %q", k, want)
			}
		}
		var doc insightJSON
		if err := json.Unmarshal(render(t, n, JSON), &doc); err != nil || len(doc.Incidents) != 2 || len(doc.Incidents[0].Actions) != 2 {
			t.Errorf("%s: %v, %+v", k, err, doc.Incidents)
		}
		if got := string(render(t, n, CSV)); !strings.Contains(got, "take_out at vllm-2, applied.") || strings.Count(got, "\nincident,") != 2 {
			t.Errorf("%s: %s", k, got)
		}
		n.Incidents = Alerts{}
		if all := strings.Join(words(t, render(t, n, PDF)), ""); strings.Contains(all, "Incidents") {
			t.Errorf("%s: incidents that nobody knows of", k)
		}
	}
}
