package batch

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// inParts folds an hour in n parts, each with a folder of its own as if on another machine, and lets what they made pass through bytes.
func inParts(t *rapid.T, folderOf func() *folder, files []event.LakeFile, n int) *folded {
	shares := divide(files, n)
	made := make([][]byte, n)
	var allowed choice
	for round := 0; ; round++ {
		counted := false
		sum := newPartial()
		for _, k := range rapid.Permutation(upTo(n)).Draw(t, "order of the parts") {
			if made[k] == nil {
				made[k] = foldOne(t, folderOf(), files, shares[k], allowed)
			}
			p, err := decodePartial(made[k])
			if err != nil {
				t.Fatal(err)
			}
			if sum.merge(p); p.counted {
				counted, made[k] = true, nil
			}
		}
		if !counted {
			return sum.finish(folderOf().limits)
		}
		if allowed = sum.choose(folderOf().limits); round > 0 {
			t.Fatal("parts count although the choice is made")
		}
	}
}

// foldOne folds a part twice, by different readers, and asks for the same bytes.
func foldOne(t *rapid.T, f *folder, files []event.LakeFile, own portion, allowed choice) []byte {
	var before []byte
	for _, readers := range []int{f.readers, 1} {
		f.readers = readers
		p, err := f.part(t.Context(), hour0, files, own, allowed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !p.counted && !bytes.Equal(before, b) {
			t.Fatal("the bytes of a part depend on its readers")
		}
		before = b
	}
	return before
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// In however many parts, and whoever meets too many values: the bytes are those of the fold in one piece.
func TestPartsAreTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRows(t, true)
		lake := memLake{}
		files := anyFiles(t, lake, rows)
		limited := map[string]int{}
		for _, d := range agg.Dimensions {
			limited[d] = rapid.SampledFrom([]int{1, 2, 3, 100}).Draw(t, "limit")
		}
		users := rapid.SampledFrom([]int{1, 3, 100}).Draw(t, "users")
		folderOf := func() *folder {
			f := anyFolder(t, lake)
			f.limits, f.users = limited, users
			return f
		}
		want := mustFold(t, folderOf(), files)
		n := rapid.SampledFrom([]int{1, 2, 3, 7, 16}).Draw(t, "parts")
		got := inParts(t, folderOf, files, n)
		if a, b := bytesOf(got), bytesOf(want); a != b {
			t.Fatalf("in %d parts\n%s\nin one piece\n%s", n, a, b)
		}
		if got.events != want.events || got.rows != want.rows {
			t.Fatalf("%d of %d rows in parts, %d of %d in one piece", got.events, got.rows, want.events, want.rows)
		}
	})
}

// Shares tile the rows, later ones are not larger, and compacted hours are cut evenly.
func TestDivide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var files []event.LakeFile
		total, generation := int64(0), rapid.SampledFrom([]int64{0, 5}).Draw(t, "generation")
		for i, n := range rapid.SliceOfN(rapid.Int64Range(1, 1e7), 1, 20).Draw(t, "rows") {
			kind := event.LLMRequest
			if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
				kind = event.UserFeedback
			}
			files = append(files, event.LakeFile{Path: fmt.Sprint(i), Topic: kind.Topic(), TopicID: "t", Hour: hour0, From: int64(i) * 1e7, To: int64(i+1) * 1e7, Rows: n, Generation: generation})
			total += n
		}
		n := rapid.IntRange(1, maxParts).Draw(t, "parts")
		shares, at, sum := divide(files, n), int64(0), int64(0)
		for i, s := range shares {
			if s.from != at || s.to < s.from {
				t.Fatalf("share %d is %v, the one before ends at %d", i, s, at)
			}
			at, sum = s.to, sum+s.of(total)
		}
		if sum != total || shares[n-1].to != whole.to {
			t.Fatalf("%d of %d rows: %v", sum, total, shares)
		}
		if generation != 0 && !slices.ContainsFunc(files, func(f event.LakeFile) bool { return f.Topic != event.LLMRequest.Topic() }) {
			for _, s := range shares {
				if rows := s.of(total); rows > total/int64(n)+int64(n)+1 {
					t.Errorf("a share of %d of %d rows in %d parts", rows, total, n)
				}
			}
		} else if n > 1 && shares[0].of(total) == total && total > int64(n) {
			t.Errorf("the first of %d shares takes all %d rows", n, total)
		}
	})
}

func FuzzDecodePartial(f *testing.F) {
	lake := memLake{}
	file := lake.put("a", request("1", "m", 0), request("2", "", 1))
	p, err := testFolder(lake).part(f.Context(), hour0, []event.LakeFile{file}, whole, nil)
	if err != nil {
		f.Fatal(err)
	}
	good, _ := p.encode()
	f.Add(good)
	f.Add([]byte{partialVersion, 1, 0, 0, 1, 1, 'm', 5, 0})
	// Whatever the bytes: no panic, memory in proportion, and what is taken means the same when it is written and read again.
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := decodePartial(src)
		if err != nil {
			return
		}
		once, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodePartial(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, _ := again.encode(); !bytes.Equal(once, twice) {
			t.Fatal("the bytes differ")
		}
	})
}
