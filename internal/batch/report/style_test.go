package report

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestNumbersInWords(t *testing.T) {
	for got, want := range map[string]string{
		english.count(0): "0", english.count(999): "999", english.count(1000): "1,000", english.count(-1234567): "−1,234,567",
		english.short(0): "0", english.short(950): "950", english.short(9_999): "9,999", english.short(12_345): "12.3k", english.short(39_430_000): "39.4M", english.short(2.5): "2.5", english.short(1.2e13): "12T",
		english.percent(new(0.01234)): "1.23 %", english.percent(nil): noData,
		english.millis(new(927.4)): "927 ms", english.millis(new(12.34)): "12.3 ms", english.millis(new(1850.0)): "1,850 ms", english.millis(new(120_000.0)): "120 s",
		english.score(new(4.256)): "4.26 of 5",
		english.money(nil):        noData, english.money(new(0.0)): "$0.00", english.money(new(0.0001234)): "$0.000123", english.money(new(0.9949)): "$0.995", english.money(new(0.996)): "$1.00", english.money(new(1234.565)): "$1,234.57", english.money(new(-3.5)): "−$3.50",
		english.change(nil): "–", english.change(new(0.0)): "±0 %", english.change(new(0.082)): "+8.2 %", english.change(new(-0.5)): "−50.0 %", english.change(new(12.0)): "+1,200 %",
		english.plural(1, "user"): "1 user", english.plural(2000, "user"): "2,000 users",
		english.digits(0.00012345, 3): "0.000123", english.digits(99.96, 3): "100",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Two names that differ never look the same, and nothing unprintable reaches the page.
func TestNamesStayApart(t *testing.T) {
	for in, want := range map[string]string{"mixtral-8x7b": "mixtral-8x7b", "Ärger": "Ärger", "通": `\u{901a}`, "a\x00b": `a\u{0}b`, "x\u202ey": `x\u{202e}y`, "😀": `\u{1f600}`} {
		if got := printable(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestScale(t *testing.T) {
	for _, tc := range [][3]float64{{0, 1, 0.25}, {1, 1, 0.25}, {3200, 4000, 1000}, {97, 100, 25}, {100, 100, 25}, {101, 150, 50}, {0.0173, 0.02, 0.005}} {
		if top, step := scale(tc[0], 4); top-tc[1] > 1e-9 || tc[1]-top > 1e-9 || step-tc[2] > 1e-9 || tc[2]-step > 1e-9 {
			t.Errorf("up to %v: axis to %v by %v, want %v by %v", tc[0], top, step, tc[1], tc[2])
		}
	}
}

// labels are the texts of a drawing, in their order.
type labels []string

func (l *labels) line([]point, color, float64)        {}
func (l *labels) rect(_, _, _, _ float64, _ color)    {}
func (l *labels) width(string, float64, bool) float64 { return 1 }
func (l *labels) text(_, _ float64, s string, _ float64, _ bool, _ color, _ align) {
	if s != "" {
		*l = append(*l, s)
	}
}

// An axis counts round amounts of the money that its labels show.
func TestAxisOfMoney(t *testing.T) {
	euros := &style{Template: &Template{Currency: Currency{Code: "EUR", Symbol: "€", Rate: "0.92", rate: 0.92}}, locale: english.locale}
	for highest, want := range map[float64]string{3.5: "€0 €1 €2 €3 €4", 1.7: "€0 €0.50 €1 €1.50 €2", 0.05: "€0 €0.02 €0.04 €0.06", 4321: "€0 €1,000 €2,000 €3,000 €4,000"} {
		c := &chart{style: euros, times: []time.Time{day0, day0.AddDate(0, 0, 1)}, series: []series{{values: []*float64{&highest, &highest}}}, write: euros.moneyShort, unit: euros.rate()}
		var texts labels
		c.draw(&texts, frame{0, 0, 100, 50})
		if got := strings.Join(texts, " "); !strings.HasPrefix(got, want+" ") {
			t.Errorf("up to %v: %s, want %s", highest, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("model")
	f.Add("\x00\xff模")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range printable(s) {
			if r > 0xffff || !unicode.IsPrint(r) && r != '\u00a0' {
				t.Errorf("%q keeps %U", s, r)
			}
		}
		if h := harmless(s); h != "" && strings.ContainsRune("=+-@\t", rune(h[0])) || strings.ContainsAny(h, "\r\n") {
			t.Errorf("%q stays a formula", h)
		}
	})
}
