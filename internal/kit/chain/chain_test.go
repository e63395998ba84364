package chain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

type entry struct {
	What string `json:"what"`
	Prev string `json:"prev_hash"`
	Hash string `json:"hash"`
}

const maxText = 1 << 10

// written is a log of one writer.
func written(t testing.TB, what ...string) (log [][]byte) {
	t.Helper()
	prev := ""
	for _, w := range what {
		text, hash, err := Seal(entry{What: w}, prev, maxText)
		if err != nil {
			t.Fatal(err)
		}
		log, prev = append(log, text), hash
	}
	return log
}

// follow takes records as those who read a log do.
func (c *Chain) follow(from int, log [][]byte) (verdicts []Verdict) {
	for i, text := range log {
		var e entry
		err := Unseal(text, &e, maxText)
		v, _ := c.Take(int64(from+i), e.Prev, e.Hash, err)
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// TestWhatWasChangedIsFound: a log that is not as it was written is told from one that is.
func TestWhatWasChangedIsFound(t *testing.T) {
	whole := written(t, "a", "b", "c", "d")
	without := func(i int) [][]byte { return slices.Delete(slices.Clone(whole), i, i+1) }
	swapped := slices.Clone(whole)
	swapped[1], swapped[2] = whole[2], whole[1]
	changed := slices.Clone(whole)
	changed[1] = []byte(strings.Replace(string(whole[1]), `"b"`, `"x"`, 1))
	other := written(t, "z")[0]
	for name, c := range map[string]struct {
		log     [][]byte
		valid   bool
		records int
		late    int
		fault   string // at the first of them
		at      int64
	}{
		"whole":                     {log: whole, valid: true, records: 4},
		"empty":                     {valid: true},
		"without its first record":  {log: without(0), records: 3, fault: "missing or was changed", at: 0},
		"without one in the middle": {log: without(1), records: 3, fault: "missing or was changed", at: 1},
		"reordered":                 {log: swapped, records: 3, late: 1, fault: "missing or was changed", at: 1},
		"with a record changed":     {log: changed, records: 3, fault: "its hash is", at: 1},
		"with something in between": {log: slices.Insert(slices.Clone(whole), 2, []byte("hello")), records: 4, fault: "no JSON object", at: 2},
		"with a record twice":       {log: append(slices.Clone(whole), whole[1]), valid: true, records: 4, late: 1},
		"with another beginning":    {log: slices.Insert(slices.Clone(whole), 1, other), valid: true, records: 4, late: 1},
	} {
		var chain Chain
		chain.follow(0, c.log)
		p := chain.Proof()
		if p.Valid != c.valid || p.Records != c.records || p.Late != c.late {
			t.Errorf("a log %s: %+v", name, p)
		}
		if c.fault != "" && (len(p.Faults) == 0 || p.Faults[0].Offset != c.at || !strings.Contains(p.Faults[0].Detail, c.fault)) {
			t.Errorf("a log %s: %+v", name, p.Faults)
		}
	}
}

// TestACutEndIsFoundByTheHead: nothing in a log whose end was cut is wrong, so its head is to be kept elsewhere.
func TestACutEndIsFoundByTheHead(t *testing.T) {
	log := written(t, "a", "b", "c")
	var whole, cut Chain
	whole.follow(0, log)
	cut.follow(0, log[:2])
	if p, q := whole.Proof(), cut.Proof(); !q.Valid || *p.Head == *q.Head || q.Records != 2 || !whole.Has(*q.Head) {
		t.Errorf("whole %+v, cut %+v", p, q)
	}
	if p := new(Chain).Proof(); p.Head != nil || p.Faults == nil {
		t.Errorf("nothing: %+v", p)
	}
}

// TestOfTwoAtOnceTheFirstWins: and everybody sees the same winner, whose loser writes again.
func TestOfTwoAtOnceTheFirstWins(t *testing.T) {
	log := written(t, "a", "b")
	var e entry
	if err := Unseal(log[0], &e, maxText); err != nil {
		t.Fatal(err)
	}
	loser, _, err := Seal(entry{What: "c"}, e.Hash, maxText)
	if err != nil {
		t.Fatal(err)
	}
	var c Chain
	if got := c.follow(0, append(log, loser)); !slices.Equal(got, []Verdict{Counts, Counts, Late}) {
		t.Error(got)
	}
	if got := c.Passed(); !slices.Equal(got, []int64{2}) {
		t.Errorf("passed: %d", got)
	}
	again, _, err := Seal(entry{What: "c"}, c.Head(), maxText)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.follow(3, [][]byte{again}); got[0] != Counts || !c.Proof().Valid {
		t.Errorf("%v %+v", got, c.Proof())
	}
}

// TestManyWritersMakeOneChain: each follows the log by itself and appends behind what it has seen; what lost is written again.
func TestManyWritersMakeOneChain(t *testing.T) {
	var mu sync.Mutex
	var log [][]byte
	const writers, each = 8, 25
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			var mine Chain
			seen := 0
			for n := 0; n < each; {
				text, hash, err := Seal(entry{What: fmt.Sprint(w, " ", n)}, mine.Head(), maxText)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				log = append(log, text)
				fresh := slices.Clone(log[seen:])
				mu.Unlock()
				mine.follow(seen, fresh)
				if seen += len(fresh); mine.Has(hash) {
					n++
				}
			}
		})
	}
	all.Wait()
	var c Chain
	c.follow(0, log)
	if p := c.Proof(); !p.Valid || p.Records != writers*each || p.Late != len(log)-writers*each {
		t.Errorf("%+v of %d", p, len(log))
	}
}

// TestAfterARestart: who reads the log from its beginning stands where the one before stood, and goes on.
func TestAfterARestart(t *testing.T) {
	log := written(t, "a", "b", "c", "d", "e")
	var before, after Chain
	before.follow(0, log[:3])
	after.follow(0, log[:3])
	if before.Head() != after.Head() {
		t.Fatal("another head")
	}
	if after.follow(3, log[3:]); !after.Proof().Valid || after.Records() != 5 {
		t.Errorf("%+v", after.Proof())
	}
}

// TestMemoryIsBounded: hashes of long ago are forgotten, the oldest first, and faults beyond the first are counted alone.
func TestMemoryIsBounded(t *testing.T) {
	var c Chain
	hash := func(n int) string { return fmt.Sprint("h", n) }
	prev := ""
	for n := range maxHashes + 2 {
		if v, _ := c.Take(int64(n), prev, hash(n), nil); v != Counts {
			t.Fatal(n, v)
		}
		prev = hash(n)
	}
	if c.Has(hash(0)) || c.Has(hash(1)) || !c.Has(hash(2)) || len(c.hashes) != maxHashes || len(c.recent) != maxHashes {
		t.Errorf("%v %v %v, %d hashes", c.Has(hash(0)), c.Has(hash(1)), c.Has(hash(2)), len(c.hashes))
	}
	for n := range 2 * maxFaults {
		c.Take(int64(maxHashes+2+n), "", "", errors.New(strings.Repeat("ü", maxDetail)))
	}
	faults, n := c.Faults()
	if len(faults) != maxFaults || n != 2*maxFaults || len(faults[0].Detail) > maxDetail+3 || c.Proof().Valid {
		t.Errorf("%d of %d faults, %d bytes", len(faults), n, len(faults[0].Detail))
	}
}

// TestOnlyWhatSealWroteIsRead: a record has one text.
func TestOnlyWhatSealWroteIsRead(t *testing.T) {
	text := string(written(t, "<&> \u2028 é")[0])
	if err := Unseal([]byte(text), &entry{}, maxText); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]string{
		"a blank":      strings.Replace(text, ":", ": ", 1),
		"a line":       text + "\n",
		"another text": text + text,
		"a key twice":  strings.Replace(text, `{`, `{"what":"y",`, 1),
		"no hash":      `{"what":"x"}`,
		"a list":       "[]",
		"null":         "null",
		"nothing":      "",
		"too much":     `{"what":"` + strings.Repeat("x", maxText) + `"}`,
	} {
		if err := Unseal([]byte(wrong), &entry{}, maxText); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, _, err := Seal(entry{What: strings.Repeat("x", maxText)}, "", maxText); err == nil {
		t.Error("too much was written")
	}
	if _, _, err := Seal(func() {}, "", maxText); err == nil {
		t.Error("what JSON does not know was written")
	}
}

// FuzzUnseal: whatever lies in the log, what is read of it is what Seal would write of it, and no byte of that can be another one.
func FuzzUnseal(f *testing.F) {
	for _, text := range written(f, "a", "<b>", "\u2028") {
		f.Add(text, 0, byte(1))
	}
	f.Add([]byte(`{"hash":"","n":1e400,"x":{"b":1,"a":[null,-0]}}`), 3, byte(2))
	f.Fuzz(func(t *testing.T, text []byte, at int, by byte) {
		check := func(text []byte) {
			var fields map[string]any
			if Unseal(text, &fields, maxText) != nil {
				return
			}
			parsed, err := parse(text)
			if err != nil {
				t.Fatal(err)
			}
			prev, _ := parsed["prev_hash"].(string)
			_, given := parsed["prev_hash"]
			if again, hash, err := Seal(parsed, prev, 2*maxText); given && (err != nil || string(again) != string(text) || hash != parsed["hash"]) {
				t.Fatalf("%q was read, and Seal writes %q (%v)", text, again, err)
			}
			if by == 0 {
				return
			}
			changed := slices.Clone(text)
			changed[uint(at)%uint(len(text))] ^= by
			if Unseal(changed, &fields, maxText) == nil {
				t.Fatalf("%q was read, and so is %q", text, changed)
			}
		}
		check(text)
		if sealed, _, err := Seal(map[string]string{"what": string(text)}, "", maxText); err == nil {
			check(sealed)
			if Unseal(sealed, &map[string]any{}, maxText) != nil {
				t.Fatalf("%q was written, and is not read", sealed)
			}
		}
	})
}

// FuzzFollow: each byte is what somebody does to a log. All who read it agree, in one go or with a restart between; what honest writers wrote at
// once is whole, and what was dropped or moved is not.
func FuzzFollow(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 0, 9, 4})
	f.Add([]byte{0, 0, 0, 200, 0, 201})
	f.Fuzz(func(t *testing.T, does []byte) {
		does = does[:min(len(does), 200)]
		heads, log, tampered := []string{""}, [][]byte{}, false
		for n, b := range does {
			switch {
			case b < 200: // a writer that is behind by a few records
				var c Chain
				c.follow(0, log)
				if c.Head() != heads[len(heads)-1] {
					heads = append(heads, c.Head())
				}
				text, _, err := Seal(entry{What: fmt.Sprint(n)}, heads[max(0, len(heads)-1-int(b)%4)], maxText)
				if err != nil {
					t.Fatal(err)
				}
				log = append(log, text)
			case len(log) > 2: // somebody takes out one that counts, before one that counts
				var c Chain
				v := c.follow(0, log)
				if i := slices.Index(v, Counts); i >= 0 && slices.Contains(v[i+1:], Counts) && !tampered {
					log, tampered = slices.Delete(log, i, i+1), true
				}
			}
		}
		var one, two Chain
		one.follow(0, log)
		two.follow(0, log[:len(log)/2])
		two.follow(len(log)/2, log[len(log)/2:])
		p, q := one.Proof(), two.Proof()
		if one.Head() != two.Head() || p.Records != q.Records || p.Late != q.Late || p.Records+len(one.Passed()) != len(log) {
			t.Fatalf("%+v and %+v of %d", p, q, len(log))
		}
		if !tampered && !p.Valid {
			t.Fatalf("nobody changed it: %+v", p)
		}
		if tampered && p.Valid {
			t.Fatalf("what was taken out is not missed: %+v of %d", p, len(log))
		}
	})
}
