package table

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// show reads a table to its end and writes what it holds.
func show(text string) string {
	var out strings.Builder
	r, err := NewReader("f.csv", strings.NewReader(text))
	for err == nil {
		var s Series
		if s, err = r.Next(); err == nil {
			fmt.Fprintf(&out, "%s %v", s.ID, s.Values)
			if s.Err != nil {
				fmt.Fprintf(&out, " %v", s.Err)
			}
			out.WriteString("; ")
		}
	}
	if !errors.Is(err, io.EOF) {
		out.WriteString(err.Error())
	}
	return out.String()
}

func TestTables(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a series a line", "id,part,values\na,train,1 2.5  -3\n\nb,train,4\n", "a [1 2.5 -3]; b [4]; "},
		{"other parts", "id,part,values\na,train,1\na,test,x y\nb,train,2\n", "a [1]; b [2]; "},
		{"line ends, a mark and quotes", "\ufeffid,part,values\r\n\"a,b\",train,1 2\r\n", "a,b [1 2]; "},
		{"no end of the last line", "id,part,values\na,train,1 2", "a [1 2]; "},
		{"no values", "id,part,values\na,train,\n", "a []; "},
		{"a bad value", "id,part,values\na,train,1 x 3\nb,train,2\n", `a [] line 2, value 2: "x" is not a finite number; b [2]; `},
		{"NaN and infinity", "id,part,values\na,train,NaN\nb,train,1 +Inf\n", `a [] line 2, value 1: "NaN" is not a finite number; b [] line 3, value 2: "+Inf" is not a finite number; `},
		{"an id twice", "id,part,values\na,train,1\na,train,2\nb,train,3\n", "a [1]; a [] line 3: the id was there on line 2 already; b [3]; "},
		{"times", "t,value\n10,1\n20,2\n30,3\n", "f.csv [1 2 3]; "},
		{"gaps", "t,value\n10,1\n20,\n40,3\n50,4\n", "f.csv [1 NaN NaN 3 4]; "},
		{"dates", "t,value\n2026-01-31T23:00:00Z,1\n2026-02-01T02:00:00+01:00,3\n2026-02-01T00:00:00.000Z,2\n", `f.csv [] line 4: time "2026-02-01T00:00:00.000Z" is not after that of line 3; times must increase; `},
		{"dates with a gap", "t,value\n2026-01-31T22:00:00Z,1\n2026-01-31T23:00:00Z,2\n2026-02-01T02:00:00+01:00,4\n", "f.csv [1 2 NaN 4]; "},
		{"one value", "t,value\n0,5\n", "f.csv [5]; "},
		{"no value", "t,value\n", "f.csv []; "},
		{"a time that stands still", "t,value\n1,1\n\n1,2\n", `f.csv [] line 4: time "1" is not after that of line 2; times must increase; `},
		{"not regular", "t,value\n0,1\n10,2\n15,3\n22,4\n", "f.csv [] line 5: the times are not regular: this one lies between two steps of the least distance; "},
		{"very far", "t,value\n0,1\n1,2\n1000000,3\n", "f.csv [] line 4: from the first time to the last are 1000001 steps of the least distance; at most 100000; "},
		{"a time too large", "t,value\n-9223372036854775808,1\n", `f.csv [] line 2: time "-9223372036854775808" is no integer within ±2^60; the first line has one; `},
		{"a date after integers", "t,value\n1,1\n2026-01-31T22:00:00Z,1\n", `f.csv [] line 3: time "2026-01-31T22:00:00Z" is no integer within ±2^60; the first line has one; `},
		{"not a date", "t,value\n2026-01-31,1\n", `f.csv [] line 2: time "2026-01-31" is not as in 2026-01-31T15:00:00Z (RFC 3339); the first line has one; `},
		{"text", "t,value\n1,many\n", `f.csv [] line 2: value "many" is not a finite number; `},
		{"three cells", "t,value\n1,2,3\n", "f.csv [] line 2: a line has two cells, t and value; "},
		{"nothing", "\n\n", "f.csv:1: the table is empty; its first line is id,part,values or t,value"},
		{"another header", "\na,b\n1,2\n", `f.csv:2: the header is "a,b", neither id,part,values nor t,value`},
		{"no series", "id,part,values\na,test,1\n", "f.csv:2: no series: no line has the part train"},
		{"two cells", "id,part,values\na,train\n", "f.csv:2: a line has three cells, id, part and values; this has 2"},
		{"no id", "id,part,values\n,train,1\n", "f.csv:2: an id has 1 to 256 bytes; this has 0"},
		{"an open quote", "id,part,values\na,train,1\n\"b,train,1\n", `a [1]; f.csv:3: this is no line of CSV: extraneous or missing " in quoted-field`},
		{"a long line", "id,part,values\na,train," + strings.Repeat("1 ", 3<<20), "f.csv:2: the line is longer than 4194304 bytes"},
		{"many values", "id,part,values\na,train," + strings.Repeat("1 ", MaxValues+1) + "\nb,train,1\n", "a [] line 2: more than 100000 values; b [1]; "},
		{"not gzip", "\x1f\x8b and so on", "f.csv: gzip: invalid header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(c.text); got != c.want {
				t.Errorf("%.300s\nwant %s", got, c.want)
			}
		})
	}
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

func TestGzip(t *testing.T) {
	whole := zipped("id,part,values\na,train,1 2\n")
	if got := show(string(whole)); got != "a [1 2]; " {
		t.Error(got)
	}
	if got := show(string(whole[:len(whole)-10])); got != "f.csv:2: unexpected EOF" && got != "a [1 2]; f.csv:3: unexpected EOF" {
		t.Error(got)
	}
}

// FuzzReader: whatever a stranger writes, a reader ends with values that are finite or gaps, within the limits, and with errors that name the place.
func FuzzReader(f *testing.F) {
	for _, text := range []string{"id,part,values\na,train,1 2 3\na,test,4\n", "t,value\n1,2\n3,\n5,6\n", "t,value\n2026-01-31T22:00:00Z,1\n2026-01-31T23:00:00+01:00,2\n", "\ufeffid,part,values\r\n\"x\",train,1e3 0x1p-2\r\n", "t,value\n-1152921504606846976,1\n1152921504606846976,2\n"} {
		f.Add([]byte(text))
		f.Add(zipped(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader("f", bytes.NewReader(b))
		for n := 0; err == nil; n++ {
			var s Series
			if s, err = r.Next(); err != nil {
				break
			}
			if n > len(b) && !bytes.HasPrefix(b, []byte{0x1f, 0x8b}) || len(s.Values) > MaxValues || slices.ContainsFunc(s.Values, func(v float64) bool { return math.IsInf(v, 0) }) {
				t.Fatalf("series %d: %+v", n, s)
			}
			if s.Err != nil && !strings.HasPrefix(s.Err.Error(), "line ") {
				t.Fatal(s.Err)
			}
		}
		if !errors.Is(err, io.EOF) && !strings.HasPrefix(err.Error(), "f:") {
			t.Fatal(err)
		}
	})
}
