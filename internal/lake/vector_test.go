package lake

import (
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// A writer that gives up its dictionary in the middle of a chunk, with and without rows that have no value, is read right.
func TestDictionaryGivenUp(t *testing.T) {
	type row struct {
		Text string `parquet:"text,optional,dict"`
	}
	var rows []row
	var want []string
	for i := range 20_000 {
		text := ""
		if i%3 != 0 {
			text = string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26))
		}
		rows, want = append(rows, row{text}), append(want, text)
	}
	buffer := new(memoryFile)
	w := parquet.NewGenericWriter[row](buffer, parquet.DictionaryMaxBytes(4<<10), parquet.PageBufferSize(1<<10))
	for part := range slices.Chunk(rows, 500) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(buffer, int64(len(buffer.bytes)))
	if err != nil {
		t.Fatal(err)
	}
	var v event.LakeVector
	if err := (&vector{LakeVector: &v, rows: len(rows)}).load(file.RowGroups()[0].ColumnChunks()[0]); err != nil {
		t.Fatal(err)
	}
	if len(v.Index) > 0 {
		t.Fatal("the writer kept its dictionary")
	}
	for i := range want {
		if v.Text(i) != want[i] || v.Has(i) != (want[i] != "") {
			t.Fatalf("row %d is %q, %v, want %q", i, v.Text(i), v.Has(i), want[i])
		}
	}
}

type memoryFile struct{ bytes []byte }

func (m *memoryFile) Write(b []byte) (int, error) {
	m.bytes = append(m.bytes, b...)
	return len(b), nil
}

func (m *memoryFile) ReadAt(b []byte, at int64) (int, error) { return copy(b, m.bytes[at:]), nil }
