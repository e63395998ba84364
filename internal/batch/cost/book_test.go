package cost

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

var noTime time.Time

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// put puts a price of model m as a command does.
func put(t interface {
	Helper()
	Fatal(...any)
}, b *Book, effective, known time.Time, input string) {
	t.Helper()
	doc, err := Read(fmt.Appendf(nil, `{"prices":[{"model":"m","effective_from":%q,"input_cost_per_token":%s,"output_cost_per_token":0}]}`, effective.Format(time.RFC3339), input), noTime)
	if err != nil {
		t.Fatal(err)
	}
	values, err := Offer(doc.Prices)
	if err != nil {
		t.Fatal(err)
	}
	var offsets []int64
	for i, v := range values {
		if err := b.Apply(Prefix, v, int64(i)); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, int64(i))
	}
	value, err := Count(offsets, known)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(Prefix, value, int64(len(values))); err != nil {
		t.Fatal(err)
	}
}

// Prices of several records count together, once the last one names them; what names others changes nothing, and a record of an earlier build,
// which counts at once, is read as it was.
func TestPricesCountTogether(t *testing.T) {
	price := func(model string) []*Price {
		return []*Price{{Model: model, Effective: day(1).UnixMicro(), Rates: Rates{Input: new(Pico(1))}}}
	}
	b := NewBook()
	apply := func(offset int64, value []byte, err error) error {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b.Apply(Prefix, value, offset)
	}
	for i, model := range []string{"x", "y", "z"} {
		values, err := Offer(price(model))
		if err := apply(int64(7+i), values[0], err); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.Versions("", true)); n != 0 {
		t.Errorf("%d prices count that only wait", n)
	}
	value, err := Count([]int64{7, 11}, day(2))
	if err := apply(20, value, err); err == nil || len(b.Versions("", true)) != 0 {
		t.Errorf("prices that nobody offered: %v, %d count", err, len(b.Versions("", true)))
	}
	value, err = Count([]int64{7, 8}, day(2))
	if err := apply(21, value, err); err != nil {
		t.Error(err)
	}
	for model, want := range map[string]int{"x": 1, "y": 1, "z": 0} {
		if got := b.Versions(model, true); len(got) != want || want == 1 && !got[0].KnownFrom().Equal(day(2)) {
			t.Errorf("%s: %v", model, got)
		}
	}
	if err := apply(22, value, nil); err == nil {
		t.Error("prices that count already count again")
	}
	old := fmt.Appendf(nil, `{"known_ms":%d,"prices":[{"model":"old","effective_from":"2026-01-01","input_cost_per_token":1e-6}]}`, day(3).UnixMilli())
	if err := apply(23, old, nil); err != nil || len(b.Versions("old", false)) != 1 {
		t.Errorf("%v, %v", err, b.Versions("old", false))
	}
	for _, bad := range []string{`{"waiting":[9]}`, `{"waiting":[9],"known_ms":1,"prices":[]}`, `{"known_ms":-1}`, `{"known_ms":99999999999999}`, `{`, `{}`} {
		if b.Apply(Prefix, []byte(bad), 30) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// rated is what a request of model m with one token costs.
func rated(b *Book, at, arrived time.Time) int64 {
	e := request(1, 0, -1, -1)
	e.Time, e.HasTime = at.UnixMicro(), true
	b.Rate(e, arrived.UnixMicro())
	if !e.Has(event.Cost) {
		return -1
	}
	return e.Int(event.Cost)
}

func TestBookRemembers(t *testing.T) {
	b := NewBook()
	put(t, b, day(1), day(10), "1e-9")
	put(t, b, day(5), day(10), "2e-9")
	put(t, b, day(3), day(20), "3e-9") // dated back
	put(t, b, day(5), day(21), "4e-9") // in place of another
	for _, tc := range []struct {
		name        string
		at, arrived time.Time
		want        int64
	}{
		{"before the first", day(1).Add(-time.Microsecond), day(30), -1},
		{"not known yet", day(2), day(10).Add(-time.Millisecond), -1},
		{"known from this moment on", day(2), day(10), 1},
		{"the next one", day(5), day(10), 2},
		{"not yet dated back", day(4), day(20).Add(-time.Millisecond), 1},
		{"dated back", day(4), day(20), 3},
		{"not yet replaced", day(6), day(20), 2},
		{"replaced", day(6), day(21), 4},
	} {
		if got := rated(b, tc.at, tc.arrived); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
	if now, all := b.Versions("", false), b.Versions("m", true); len(now) != 3 || len(all) != 4 || *now[2].Rates[Input] != 4000 {
		t.Errorf("%d prices count and %d versions are told: %v", len(now), len(all), now)
	}
}

func TestRateLeavesAlone(t *testing.T) {
	b := NewBook()
	put(t, b, day(1), day(1), "1e-9")
	own := request(1, 0, -1, -1)
	own.Time = day(2).UnixMicro()
	own.SetInt(event.Cost, 77)
	b.Rate(own, day(2).UnixMicro())
	if own.Int(event.Cost) != 77 {
		t.Error("the cost that a request brings is not its own any more")
	}
	order := &event.Event{Kind: event.BusinessEvent, Time: day(2).UnixMicro()}
	order.SetText(event.Model, "m")
	b.Rate(order, day(2).UnixMicro())
	if order.Has(event.Cost) {
		t.Error("a business event was rated")
	}
}

// Whatever is put later, what has arrived keeps its cost.
func TestThePastStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook()
		moment := rapid.Map(rapid.IntRange(1, 40), day)
		at, arrived := moment.Draw(t, "at"), moment.Draw(t, "arrived")
		puts := func(name string, known *rapid.Generator[time.Time]) {
			for range rapid.IntRange(0, 6).Draw(t, name) {
				put(t, b, moment.Draw(t, "effective"), known.Draw(t, "known"), fmt.Sprintf("%de-9", rapid.IntRange(0, 9).Draw(t, "price")))
			}
		}
		puts("before", moment)
		want := rated(b, at, arrived)
		puts("after", rapid.Map(rapid.IntRange(1, 40), func(n int) time.Time { return arrived.Add(time.Duration(n) * time.Millisecond) }))
		if got := rated(b, at, arrived); got != want {
			t.Fatalf("cost %d, now %d", want, got)
		}
	})
}

func TestBookStaysUntilSettled(t *testing.T) {
	b := NewBook()
	put(t, b, day(1), day(1), "1e-9")
	b.Reset()
	if got := rated(b, day(2), day(2)); got != 1 {
		t.Errorf("while the log is read again: %d, want 1", got)
	}
	put(t, b, day(1), day(1), "2e-9")
	if got := rated(b, day(2), day(2)); got != 1 {
		t.Errorf("half read: %d, want 1", got)
	}
	b.Settled()
	if got := rated(b, day(2), day(2)); got != 2 {
		t.Errorf("read: %d, want 2", got)
	}
}

func TestTheSameAgainIsNothing(t *testing.T) {
	b := NewBook()
	put(t, b, day(1), day(1), "1e-9")
	put(t, b, day(1), day(9), "0.000000001")
	if all := b.Versions("", true); len(all) != 1 {
		t.Errorf("%d versions of one price", len(all))
	}
}

func TestReadFaults(t *testing.T) {
	price := func(fields string) string {
		return `{"prices":[{"model":"m","effective_from":"2026-01-01T00:00:00Z",` + fields + `}]}`
	}
	for _, tc := range []struct{ name, text, pointer, code string }{
		{"no JSON", `{`, "", "json"},
		{"no object", `[]`, "", "json"},
		{"two", `{"prices":[]}{}`, "", "json"},
		{"not UTF-8", "{\"prices\xff\":[]}", "", "json"},
		{"nothing", `{}`, "/prices", "required"},
		{"empty", `{"prices":[]}`, "/prices", "required"},
		{"something else", `{"prices":[1],"x":1}`, "/x", "unknown_field"},
		{"no price", `{"prices":[1]}`, "/prices/0", "json"},
		{"no model", `{"prices":[{"effective_from":"2026-01-01","input_cost_per_token":1}]}`, "/prices/0/model", "required"},
		{"no time", `{"prices":[{"model":"m","input_cost_per_token":1}]}`, "/prices/0/effective_from", "required"},
		{"bad time", `{"prices":[{"model":"m","effective_from":"then","input_cost_per_token":1}]}`, "/prices/0/effective_from", "bad_timestamp"},
		{"too early", `{"prices":[{"model":"m","effective_from":"1969-01-01","input_cost_per_token":1}]}`, "/prices/0/effective_from", "out_of_range"},
		{"long name", `{"prices":[{"model":"` + strings.Repeat("m", 300) + `","effective_from":"2026-01-01","input_cost_per_token":1}]}`, "/prices/0/model", "too_long"},
		{"negative", price(`"input_cost_per_token":-1`), "/prices/0/input_cost_per_token", "out_of_range"},
		{"for a million", price(`"input_cost_per_token":2500`), "/prices/0/input_cost_per_token", "out_of_range"},
		{"huge", price(`"input_cost_per_token":1e99999`), "/prices/0/input_cost_per_token", "out_of_range"},
		{"dust", price(`"input_cost_per_token":1e-13`), "/prices/0/input_cost_per_token", "out_of_range"},
		{"text", price(`"input_cost_per_token":"1"`), "/prices/0/input_cost_per_token", "type"},
		{"slip of the pen", price(`"input_cost_per_tokens":1`), "/prices/0/input_cost_per_tokens", "unknown_field"},
		{"no cost", price(`"mode":"chat"`), "/prices/0", "required"},
		{"cached alone", price(`"output_cost_per_token":0,"cache_read_input_token_cost":0`), "/prices/0/cache_read_input_token_cost", "required"},
		{"reasoning alone", price(`"input_cost_per_token":0,"output_cost_per_reasoning_token":0`), "/prices/0/output_cost_per_reasoning_token", "required"},
		{"twice", `{"prices":[{"model":"m","effective_from":"2026-01-01","input_cost_per_token":1},{"model":"m","effective_from":"2026-01-01T00:00:00Z","input_cost_per_token":2}]}`, "/prices/1", "duplicate"},
	} {
		_, err := Read([]byte(tc.text), noTime)
		faults, ok := errors.AsType[Faults](err)
		if !ok || faults[0].Pointer != tc.pointer || faults[0].Code != tc.code || len(faults[0].Detail) < 5 {
			t.Errorf("%s: %v, want %s at %q", tc.name, err, tc.code, tc.pointer)
		}
	}
}

func TestReadLiteLLM(t *testing.T) {
	doc, err := Read([]byte(`{"sample_spec":{"input_cost_per_token":0,"mode":"one of chat"},"gpt":{"input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,"litellm_provider":"openai",
		"cache_creation_input_token_cost":1e-6,"output_cost_per_token_batches":1e-6,"supports_vision":true},"image-1":{"output_cost_per_image":0.02},"tiered":{"input_cost_per_token":1e-6,"output_cost_per_token":null,"input_cost_per_token_above_200k_tokens":2e-6}}`), day(1))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc.Prices)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"cache_creation_input_token_cost":0.000001,"effective_from":"2026-01-01T00:00:00Z","input_cost_per_token":0.0000025,"model":"gpt","output_cost_per_token":0.00001},` +
		`{"effective_from":"2026-01-01T00:00:00Z","input_cost_per_token":0.000001,"input_cost_per_token_above_200k_tokens":0.000002,"model":"tiered"}]`
	if string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	if len(doc.Warnings) != 1 || !strings.Contains(doc.Warnings[0], "output_cost_per_token_batches") {
		t.Errorf("warnings %v", doc.Warnings)
	}
}

// FuzzRead: no text of strangers breaks the reader, and what it takes survives the control log.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"prices":[{"model":"m","effective_from":"2026-01-01","input_cost_per_token":1e-6,"output_cost_per_token_above_128k_tokens":2e-7,"input_cost_per_request":0.1}]}`), true)
	f.Add([]byte(`{"m":{"cache_creation_input_token_cost_above_1hr_above_200k_tokens":6e-6,"output_cost_per_audio_token":1e-5}}`), false)
	f.Add([]byte(`{"m":{"input_cost_per_token":0.1e-1,"output_cost_per_token":null,"x_batches":1}}`), true)
	f.Fuzz(func(t *testing.T, text []byte, list bool) {
		from := day(1)
		if list {
			from = noTime
		}
		doc, err := Read(text, from)
		if err != nil {
			if _, ok := errors.AsType[Faults](err); !ok {
				t.Fatalf("%T", err)
			}
			return
		}
		values, err := Offer(doc.Prices)
		if err != nil {
			t.Fatal(err)
		}
		var back []*Price
		for _, v := range values {
			_, some, err := readCommand(v)
			if err != nil {
				t.Fatalf("%s: %v", v, err)
			}
			back = append(back, some...)
		}
		if !slices.EqualFunc(doc.Prices, back, (*Price).same) {
			t.Fatalf("%v came back as %v", doc.Prices, back)
		}
	})
}

// LiteLLM's list has costs that nobody foresaw; in a document of ours such a name is a slip of the pen.
func TestUnknownCosts(t *testing.T) {
	for _, name := range []string{"input_dbu_cost_per_token", "cache_read_input_audio_token_cost", "cache_read_input_image_token_cost", "input_cost_per_token_ultrafast", "explicit_cache_read_input_token_cost"} {
		doc, err := Read([]byte(`{"gpt":{"input_cost_per_token":1e-6,"`+name+`":2e-6}}`), time.Unix(1, 0))
		if err != nil || len(doc.Prices) != 1 || len(doc.Warnings) != 1 || !strings.HasPrefix(doc.Warnings[0], name) {
			t.Errorf("%s in LiteLLM's list: %+v, %v", name, doc, err)
		}
		if _, err := Read([]byte(`{"prices":[{"model":"gpt","effective_from":"2026-01-01","input_cost_per_token":1e-6,"`+name+`":2e-6}]}`), time.Time{}); err == nil {
			t.Errorf("%s is taken in a document of ours", name)
		}
	}
}
