package replay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

type nowhere struct{}

func (nowhere) Send(_ context.Context, it sink.Item, r sink.Report) error { r.Sent(it); return nil }
func (nowhere) Flush(context.Context) error                               { return nil }

// One operation is a file of 10,000 rows, decoded, encoded and checked.
func BenchmarkReplay(b *testing.B) {
	var table, lines bytes.Buffer
	table.WriteString("Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n")
	for i := range 10_000 {
		fmt.Fprintf(&table, "%d,ChatGPT,%d,18,490,Conversation log\n", i, i%3000)
		fmt.Fprintf(&lines, `{"timestamp": %d, "input_length": 6758, "output_length": %d, "hash_ids": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]}`+"\n", i, i)
	}
	for name, content := range map[string]string{"burstgpt": table.String(), "mooncake": lines.String()} {
		path := file(b, "in", content)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if code := Run(b.Context(), Options{Files: []string{path}, Every: -1}, nowhere{}, io.Discard, io.Discard); code != 0 {
					b.Fatal(code)
				}
			}
			b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
