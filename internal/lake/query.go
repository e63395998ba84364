package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Engines are those that Queries writes for.
var Engines = []string{"duckdb", "pandas", "spark", "trino"}

// QueryOptions choose what is asked for.
type QueryOptions struct {
	Engine   string // "" = all
	Topic    string
	From, To time.Time // hours that begin within [From, To); zero = no bound
}

// Query is text that an engine takes as it is.
type Query struct {
	Engine string `json:"engine"`
	Text   string `json:"text"`
}

// query is what the texts are made of.
type query struct {
	table string // name of the view
	topic string
	kind  event.Kind
	root  string
	s3    *s3Place // nil for a folder
	files []string // full paths
	rows  int64
	loose int // hours that may hold an event more than once
}

// Queries returns text that reads exactly the live files: a bare pattern may see files that were replaced and are not removed yet.
// Where an hour has not been compacted since it changed, the text leaves out copies of events.
func (l *Lake) Queries(ctx context.Context, m Manifest, o QueryOptions) ([]Query, error) {
	kind, err := kindOfTopic(o.Topic)
	if err != nil {
		return nil, err
	}
	if o.Engine != "" && !slices.Contains(Engines, o.Engine) {
		return nil, fmt.Errorf("lake: there is no engine %q; the engines are %s", o.Engine, strings.Join(Engines, ", "))
	}
	files, err := m.Files(ctx, Filter("", event.LakeLive, o.From, o.To))
	if err != nil {
		return nil, err
	}
	q := l.query(kind, files)
	if len(q.files) == 0 {
		return nil, errors.New("lake: it holds no events of this topic and time")
	}
	write := map[string]func() string{"duckdb": q.duckDB, "pandas": q.pandas, "spark": q.spark, "trino": q.trino}
	var out []Query
	for _, engine := range Engines {
		if o.Engine == "" || o.Engine == engine {
			out = append(out, Query{engine, write[engine]()})
		}
	}
	return out, nil
}

// query sums up the files of all topics that were chosen by time.
func (l *Lake) query(kind event.Kind, files []event.LakeFile) *query {
	q := &query{topic: kind.Topic(), table: strings.ReplaceAll(kind.Topic(), "-", "_"), kind: kind, root: l.String(), s3: l.s3()}
	generation, loose := make(map[int64]int64), make(map[int64]bool)
	asked := make(map[int64]bool)
	for i := range files {
		f := &files[i]
		g, known := generation[f.Hour]
		if loose[f.Hour] = loose[f.Hour] || f.Generation == 0 || known && g != f.Generation; !known {
			generation[f.Hour] = f.Generation
		}
		if kindOf(f) == kind {
			q.files, q.rows = append(q.files, q.root+"/"+f.Path), q.rows+f.Rows
			asked[f.Hour] = true
		}
	}
	for hour := range asked {
		if loose[hour] {
			q.loose++
		}
	}
	return q
}

// about is the comment above a text.
func (q *query) about(mark, engine string) string {
	s := fmt.Sprintf("%s %s: %s, %d live files with %d rows.\n", mark, engine, q.topic, len(q.files), q.rows)
	if q.loose > 0 {
		s += fmt.Sprintf("%s %d hours have not been compacted since they changed (`hxp lake compact`): copies of events are left out here.\n", mark, q.loose)
	}
	return s
}

// list quotes the paths, one on a line. No path of ours holds a quote; the folder of the lake may.
func (q *query) list(paths []string, escape string) string {
	quoted := make([]string, len(paths))
	for i, p := range paths {
		quoted[i] = "  '" + strings.ReplaceAll(p, "'", escape) + "'"
	}
	return strings.Join(quoted, ",\n")
}

// measures are the columns that the examples sum up.
func (q *query) measures() (dimension string, sums []string) {
	switch q.kind {
	case event.LLMRequest:
		return "model", []string{"prompt_tokens", "completion_tokens", "cost_nano_usd"}
	case event.UserFeedback:
		return "model", []string{"satisfaction_score"}
	case event.BusinessEvent:
		return "model", []string{"business_value_nano_usd"}
	}
	return "host", []string{"energy_j"}
}

func (q *query) selection() string {
	dimension, sums := q.measures()
	s := fmt.Sprintf("SELECT dt, hour, %s, count(*) AS events", dimension)
	for _, c := range sums {
		s += fmt.Sprintf(", sum(%s) AS %s", c, c)
	}
	return s
}

func (q *query) duckDB() string {
	s := q.about("--", "DuckDB")
	if q.s3 != nil {
		s += q.s3.duckDB()
	}
	s += "SET TimeZone = 'UTC';\n"
	s += fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS\nSELECT * FROM read_parquet([\n%s\n], hive_partitioning = true, hive_types = {'dt': DATE, 'hour': INTEGER})", q.table, q.list(q.files, "''"))
	if q.loose > 0 {
		s += "\nQUALIFY row_number() OVER (PARTITION BY source, event_id ORDER BY topic, \"partition\", \"offset\") = 1"
	}
	return s + fmt.Sprintf(";\n%s\nFROM %s GROUP BY ALL ORDER BY ALL;\n", q.selection(), q.table)
}

func (q *query) pandas() string {
	dimension, sums := q.measures()
	paths, fs, with := q.files, "", ""
	if q.s3 != nil {
		fs, with = q.s3.pyArrow(), ", filesystem=s3"
		paths = make([]string, len(q.files))
		for i, p := range q.files {
			paths[i] = strings.TrimPrefix(p, "s3://")
		}
	}
	s := q.about("#", "pandas (with pyarrow)")
	s += "import pyarrow as pa\nimport pyarrow.dataset as ds\n" + fs
	s += fmt.Sprintf("files = [\n%s\n]\n", q.list(paths, `\'`))
	s += "hive = ds.partitioning(pa.schema([('dt', pa.date32()), ('hour', pa.int32())]), flavor='hive')\n"
	s += fmt.Sprintf("%s = ds.dataset(files, partitioning=hive%s).to_table().to_pandas()\n", q.table, with)
	if q.loose > 0 {
		s += fmt.Sprintf("%s = %s.sort_values(['topic', 'partition', 'offset']).drop_duplicates(['source', 'event_id'])\n", q.table, q.table)
	}
	aggregates := "events=('event_id', 'count')"
	for _, c := range sums {
		aggregates += fmt.Sprintf(", %s=('%s', 'sum')", c, c)
	}
	return s + fmt.Sprintf("print(%s.groupby(['dt', 'hour', '%s'], dropna=False).agg(%s))\n", q.table, dimension, aggregates)
}

func (q *query) spark() string {
	scheme := func(p string) string {
		if rest, ok := strings.CutPrefix(p, "s3://"); ok {
			return "s3a://" + rest
		}
		return p
	}
	paths := make([]string, len(q.files))
	for i, p := range q.files {
		paths[i] = scheme(p)
	}
	s := q.about("#", "Spark (in pyspark)")
	if q.s3 != nil {
		s += q.s3.spark()
	}
	s += "spark.conf.set('spark.sql.session.timeZone', 'UTC')\n"
	s += fmt.Sprintf("files = [\n%s\n]\n", q.list(paths, `\'`))
	s += fmt.Sprintf("%s = spark.read.option('basePath', '%s').parquet(*files)\n", q.table, strings.ReplaceAll(scheme(q.root)+"/"+q.topic, "'", `\'`))
	if q.loose > 0 {
		s += fmt.Sprintf("%s = %s.dropDuplicates(['source', 'event_id'])\n", q.table, q.table)
	}
	dimension, _ := q.measures()
	s += fmt.Sprintf("%s.createOrReplaceTempView('%s')\n", q.table, q.table)
	return s + fmt.Sprintf("spark.sql('''%s\nFROM %s GROUP BY dt, hour, %s ORDER BY dt, hour, %s''').show()\n", q.selection(), q.table, dimension, dimension)
}

// trino reads folders, so the query names the live files.
func (q *query) trino() string {
	names := make([]string, len(q.files))
	for i, p := range q.files {
		names[i] = p[strings.LastIndexByte(p, '/')+1:]
	}
	t := tableOf(q.kind)
	columns := make([]string, len(t.columns))
	for i := range t.columns {
		columns[i] = fmt.Sprintf("  %q %s", t.columns[i].name, t.columns[i].trino())
	}
	location := q.root
	if q.s3 == nil {
		location = "file://" + location
	}
	s := q.about("--", "Trino (connector hive, where a catalog hive and a schema lake exist)")
	s += fmt.Sprintf("CREATE TABLE IF NOT EXISTS hive.lake.%s (\n%s,\n  dt date,\n  hour integer\n) WITH (external_location = '%s/%s', format = 'PARQUET', partitioned_by = ARRAY['dt', 'hour']);\n",
		q.table, strings.Join(columns, ",\n"), strings.ReplaceAll(location, "'", "''"), q.topic)
	s += fmt.Sprintf("CALL hive.system.sync_partition_metadata('lake', '%s', 'FULL');\n", q.table)
	from := fmt.Sprintf("hive.lake.%s WHERE regexp_extract(\"$path\", '[^/]+$') IN (\n%s\n)", q.table, q.list(names, "''"))
	if q.loose > 0 {
		from = fmt.Sprintf("(SELECT *, row_number() OVER (PARTITION BY source, event_id ORDER BY topic, \"partition\", \"offset\") AS copy FROM %s) WHERE copy = 1", from)
	}
	return s + fmt.Sprintf("%s\nFROM %s\nGROUP BY 1, 2, 3 ORDER BY 1, 2, 3;\n", q.selection(), from)
}

// trino is the type of a column in Trino.
func (c *column) trino() string {
	switch {
	case c.source == fromTime || c.source == fromIngested:
		return "timestamp"
	case c.kind == parquet.ByteArray:
		return "varchar"
	case c.kind == parquet.Double:
		return "double"
	case c.kind == parquet.Boolean:
		return "boolean"
	case c.kind == parquet.Int32:
		return "integer"
	}
	return "bigint"
}
