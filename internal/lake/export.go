package lake

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// The formats that Export writes.
const (
	FormatParquet = "parquet"
	FormatNDJSON  = "ndjson"
	FormatCSV     = "csv"
)

// ExportOptions say what Export copies.
type ExportOptions struct {
	Topic    string    // "" = all
	From, To time.Time // hours that begin within [From, To); zero = no bound
	Format   string
	// Dir is the folder to write to. When it is empty the rows go to Out, which Parquet cannot, and CSV only for one topic.
	Dir    string
	Out    io.Writer
	Budget int64 // bytes of memory
	// Progress is called after each hour.
	Progress func(hour time.Time, done, total int)
}

// Exported is what Export did.
type Exported struct {
	Hours  int   `json:"hours"`
	Rows   int64 `json:"rows"`
	Copies int64 `json:"copies"` // left out because the same event was there already
}

// Export copies the events of chosen hours, each once, also where compaction has not been yet. It reads what is live when it comes
// to an hour. A folder is laid out like the lake: <topic>/dt=YYYY-MM-DD/hour=H/.
func (l *Lake) Export(ctx context.Context, m Manifest, o ExportOptions) (sum Exported, err error) {
	kind := event.NoKind
	if o.Topic != "" {
		if kind, err = kindOfTopic(o.Topic); err != nil {
			return sum, err
		}
	}
	e := exporter{lake: l, manifest: m, o: o, kind: kind}
	if err := e.prepare(); err != nil {
		return sum, err
	}
	hours, err := e.hours(ctx)
	if err != nil {
		return sum, err
	}
	for i, hour := range hours {
		if err := e.hour(ctx, hour); err != nil {
			return e.sum, fmt.Errorf("export hour %s: %w", time.Unix(hour, 0).UTC().Format(time.RFC3339), err)
		}
		if e.sum.Hours++; o.Progress != nil {
			o.Progress(time.Unix(hour, 0).UTC(), i+1, len(hours))
		}
	}
	return e.sum, e.finish()
}

func kindOfTopic(topic string) (event.Kind, error) {
	k, ok := event.KindOfTopic(topic)
	if !ok {
		var names []string
		for _, k := range event.Kinds {
			names = append(names, k.Topic())
		}
		return k, fmt.Errorf("lake: there is no topic %q; the topics are %v", topic, names)
	}
	return k, nil
}

type exporter struct {
	lake     *Lake
	manifest Manifest
	o        ExportOptions
	kind     event.Kind // NoKind = all
	into     *Lake      // of Parquet
	out      *bufio.Writer
	headed   bool // the stream has its header
	sum      Exported
	block    event.LakeBlock
	row      event.LakeRow
	line     []byte
	cells    []string
}

// prepare checks the options and opens what is written to.
func (e *exporter) prepare() (err error) {
	switch {
	case e.o.Format != FormatParquet && e.o.Format != FormatNDJSON && e.o.Format != FormatCSV:
		return fmt.Errorf("lake: format %q is none of parquet, ndjson, csv", e.o.Format)
	case e.o.Dir == "" && e.o.Format == FormatParquet:
		return errors.New("lake: Parquet is written to a folder; name one")
	case e.o.Dir == "" && e.o.Format == FormatCSV && e.kind == event.NoKind:
		return errors.New("lake: the topics have different columns; choose one, or write to a folder")
	case e.o.Dir == "":
		e.out = bufio.NewWriterSize(e.o.Out, 256<<10)
	case e.o.Format == FormatParquet:
		if there, err := os.ReadDir(e.o.Dir); err == nil && len(there) > 0 {
			return fmt.Errorf("lake: %s is not empty; Parquet is exported to a folder of its own, so that no event is there twice", e.o.Dir)
		}
		e.into, err = Open(e.o.Dir)
	}
	return err
}

func (e *exporter) hours(ctx context.Context) (out []int64, err error) {
	files, err := e.manifest.Files(ctx, Filter("", event.LakeLive, e.o.From, e.o.To))
	for i := range files {
		if e.kind == event.NoKind || kindOf(&files[i]) == e.kind {
			out = append(out, files[i].Hour)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// hour exports one hour. All its files are surveyed, whatever the topic: a copy may have come by another one.
func (e *exporter) hour(ctx context.Context, hour int64) error {
	files, _, err := e.manifest.LiveFiles(ctx, hour)
	if err != nil {
		return err
	}
	c := &compaction{lake: e.lake, into: e.into, compacting: compacting{budget: e.o.Budget, workers: 1}, hour: hour, files: files, strict: true}
	if err := c.survey(ctx); err != nil {
		return err
	}
	for _, k := range event.Kinds {
		if e.kind != event.NoKind && e.kind != k {
			continue
		}
		for i := range c.files {
			if kindOf(&c.files[i]) == k {
				copies := int64(c.drop[i].count())
				e.sum.Rows, e.sum.Copies = e.sum.Rows+c.files[i].Rows-copies, e.sum.Copies+copies
			}
		}
		if e.o.Format != FormatParquet {
			if err := e.text(ctx, c, k); err != nil {
				return err
			}
		}
	}
	if e.o.Format == FormatParquet {
		return c.rewrite(ctx, e.kind)
	}
	return nil
}

// text writes the events of a kind and hour as lines.
func (e *exporter) text(ctx context.Context, c *compaction, k event.Kind) error {
	if e.out != nil {
		return e.lines(ctx, c, k, e.out, !e.headed)
	}
	any := false
	for i := range c.files {
		any = any || kindOf(&c.files[i]) == k
	}
	if !any {
		return nil
	}
	path := filepath.Join(e.o.Dir, filepath.FromSlash(hourDir(k, c.hour)), "events."+e.o.Format)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteFunc(path, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 256<<10)
		return errors.Join(e.lines(ctx, c, k, buffered, true), buffered.Flush())
	})
}

// lines writes the rows that stay, in the order of their places.
func (e *exporter) lines(ctx context.Context, c *compaction, k event.Kind, w io.Writer, header bool) error {
	table := csv.NewWriter(w)
	if e.o.Format == FormatCSV && header {
		e.headed = true
		if err := table.Write(tableOf(k).names()); err != nil {
			return err
		}
	}
	for i := range c.files {
		if kindOf(&c.files[i]) != k {
			continue
		}
		if err := e.file(ctx, &c.files[i], c.drop[i], w, table); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

func (e *exporter) file(ctx context.Context, lf *event.LakeFile, drop bitset, w io.Writer, table *csv.Writer) error {
	r, err := e.lake.OpenFile(ctx, *lf)
	if err != nil {
		return err
	}
	defer r.Close()
	n := 0
	for block := range r.Blocks() {
		if err := r.Read(ctx, block, event.AllLakeColumns, &e.block); err != nil {
			return err
		}
		for i := range e.block.Rows {
			if n++; drop.has(n - 1) {
				continue
			}
			if e.o.Format == FormatCSV {
				err = table.Write(e.cellsOf(tableOf(r.Kind()), lf, i))
			} else if err = e.block.Row(i, &e.row); err == nil {
				e.line = append(event.AppendJSON(e.line[:0], &e.row.Event), '\n')
				_, err = w.Write(e.line)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// names are the names of the columns.
func (t *table) names() (out []string) {
	for i := range t.columns {
		out = append(out, t.columns[i].name)
	}
	return out
}

// cellsOf returns a row of the block as CSV has it: times in RFC 3339, nothing where there is no value, text as it is.
func (e *exporter) cellsOf(t *table, lf *event.LakeFile, row int) []string {
	e.cells = e.cells[:0]
	for i := range t.columns {
		c := &t.columns[i]
		into, varies := c.blockColumn()
		var s string
		switch v := e.block.Column(into); {
		case c.source == fromTopic:
			s = lf.Topic
		case c.source == fromPartition:
			s = strconv.Itoa(int(lf.Partition))
		case c.source == fromType:
			s = t.kind.String()
		case varies && v.Has(row):
			s = c.cell(v, row)
		}
		e.cells = append(e.cells, s)
	}
	return e.cells
}

func (c *column) cell(v *event.LakeVector, row int) string {
	switch {
	case c.kind == parquet.ByteArray:
		return v.Text(row)
	case c.source == fromTime || c.source == fromIngested:
		return string(event.AppendTime(nil, v.Ints[row]))
	case c.duration:
		return strconv.FormatFloat(toMS(v.Ints[row]), 'f', -1, 64)
	case c.kind == parquet.Double:
		return strconv.FormatFloat(v.Floats[row], 'f', -1, 64)
	case c.kind == parquet.Boolean:
		return strconv.FormatBool(v.Ints[row] != 0)
	}
	return strconv.FormatInt(v.Ints[row], 10)
}

// finish flushes the stream and removes the staging folder of an export.
func (e *exporter) finish() error {
	if e.out != nil {
		return e.out.Flush()
	}
	if e.into != nil {
		return os.Remove(e.into.stage)
	}
	return nil
}
