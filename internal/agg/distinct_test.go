package agg

import (
	"bytes"
	"fmt"
	"math"
	"testing"
)

// Within 5 % at every size, for ids as they come: counted up. The data are fixed, so this is no matter of luck.
func TestDistinctError(t *testing.T) {
	worst := 0.0
	for _, form := range []string{"user-%d", "%d", "8f14e45f-%08d-4c1d", "u%dé"} {
		var d Distinct
		next := 1
		for i := 1; i <= 1_000_000; i++ {
			d.Add(fmt.Sprintf(form, i))
			if i == 100 || i == exactMax {
				d.Add(fmt.Sprintf(form, 1)) // known
				if got := d.Count(); got != uint64(i) {
					t.Errorf("%s: %d of %d, want exactly", form, got, i)
				}
			}
			if i == next {
				e := math.Abs(float64(d.Count())-float64(i)) / float64(i)
				worst = max(worst, e)
				if e > 0.05 {
					t.Errorf("%s: %d of %d, %.1f %% off", form, d.Count(), i, 100*e)
				}
				next += 1 + next/25
			}
		}
		if testing.Short() {
			break
		}
	}
	t.Logf("worst error %.2f %%", 100*worst)
}

func TestDistinctOfNobody(t *testing.T) {
	var d Distinct
	d.Add("")
	if !d.Empty() || d.Count() != 0 {
		t.Errorf("the empty text counts")
	}
	d.addHash(0)
	if d.Empty() || d.Count() != 1 {
		t.Errorf("the hash 0 does not count")
	}
}

// Chosen ids can all fall into one register; such a set too must survive its bytes.
func TestDistinctOfHostileHashes(t *testing.T) {
	var c Cell
	c.Events, c.Requests = 1, 1
	for i := range uint64(1000) {
		c.Users.addHash(42<<(64-precision) | i)
	}
	if d := recode(t, &c); !d.Equal(&c) || d.Users.Count() != exactMax+1 {
		t.Errorf("%d users", d.Users.Count())
	}
	for i := range uint64(registers) { // every register, ranks from 1 to the largest
		c.Sessions.addHash(i<<(64-precision) | 1<<(i%(64-precision)))
		if i%1000 == 0 || i == registers-1 {
			if d := recode(t, &c); !d.Equal(&c) {
				t.Errorf("%d sessions changed on the way", i)
			}
		}
	}
	c.Sessions.addHash(0)
	if d := recode(t, &c); !d.Equal(&c) {
		t.Errorf("the largest rank changed on the way")
	}
}

// Memory used before leaves no trace.
func TestDistinctAfterReset(t *testing.T) {
	var used, fresh Distinct
	for i := range 5000 {
		used.Add(fmt.Sprint("before-", i))
	}
	used.Reset()
	for i := range 300 {
		used.Add(fmt.Sprint("after-", i))
		fresh.Add(fmt.Sprint("after-", i))
		if !bytes.Equal(used.append(nil), fresh.append(nil)) {
			t.Fatalf("%d texts after Reset: %d, want %d", i+1, used.Count(), fresh.Count())
		}
	}
}

// Merging says the same as adding one by one, from nothing to registers, for sets that share none, some or all of their texts.
func TestDistinctMergeIsAdding(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 100, exactMax - 1, exactMax, exactMax + 1, 5000}
	for _, n := range sizes {
		for _, m := range sizes {
			for _, first := range []int{0, n / 2, n} {
				var a, b, want Distinct
				for i := range n {
					a.Add(fmt.Sprint(i))
					want.Add(fmt.Sprint(i))
				}
				for i := first; i < first+m; i++ {
					b.Add(fmt.Sprint(i))
					want.Add(fmt.Sprint(i))
				}
				before := b.Append(nil)
				a.Merge(&b)
				if !bytes.Equal(a.Append(nil), want.Append(nil)) {
					t.Errorf("%d and %d from %d on: merged %d, added %d", n, m, first, a.Count(), want.Count())
				}
				if !bytes.Equal(b.Append(nil), before) {
					t.Errorf("%d and %d: what was merged has changed", n, m)
				}
			}
		}
	}
}
