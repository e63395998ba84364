package batch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// The prices of the file are put as soon as the brokers take them, what is there already changes nothing, and the file put again wins over what
// the API put meanwhile.
func TestPriceFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prices.yaml")
	costs := &Costing{PriceFile: file, PriceFileFrom: "2026-01-01"}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.prices.fail.Store(true)
		r := begin(t, w, nil)
		input := func() string {
			for _, p := range w.prices.book.Versions("small", false) {
				return p.Rates[cost.Input].String()
			}
			return ""
		}
		put := func() {
			t.Helper()
			doc, err := costs.ReadPrices()
			if err != nil {
				t.Fatal(err)
			}
			r.s.SetPrices(doc)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		write("small: {input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7}\nsample_spec: {max_tokens: 1}\n")
		if put(); input() != "" {
			t.Errorf("put without a broker: %s", input())
		}
		w.prices.fail.Store(false)
		time.Sleep(putFileEvery + time.Second)
		synctest.Wait()
		const want = "0.00000015"
		if input() != want {
			t.Errorf("%s, want %s", input(), want)
		}
		room := w.prices.book.Room()
		if put(); w.prices.book.Room() != room {
			t.Error("the same file put again makes new versions")
		}
		if a := r.call("PUT", "/prices", `{"prices":[{"model":"small","effective_from":"2026-01-01","input_cost_per_token":9e-7}]}`); a.status != 200 || input() != "0.0000009" {
			t.Errorf("%d %s", a.status, input())
		}
		if put(); input() != want {
			t.Errorf("the file does not win: %s", input())
		}
	})
	for text, want := range map[string]string{"small: {input_cost_per_token: cheap}": "/small/input_cost_per_token", "prices: [": "this is no YAML", "": "it is empty"} {
		write(text)
		if _, err := costs.ReadPrices(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	costs.PriceFileFrom = "soon"
	if err := costs.validate(); err == nil || !strings.Contains(err.Error(), "costs.price_file_from") {
		t.Errorf("%v", err)
	}
}
