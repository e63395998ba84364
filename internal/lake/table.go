package lake

import (
	"fmt"
	"io"
	"iter"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// tableRows is how many rows of a table lie in one group: readers skip by group, and the writer holds one in memory.
const tableRows = 20_000

// WriteTable writes rows as one Parquet file that the usual tools read: zstd, data page version 1. rows are values of the struct type
// row, whose parquet tags name the columns. An error of rows ends the table and comes back; what was written then is no whole file.
func WriteTable(w io.Writer, row reflect.Type, rows iter.Seq2[any, error]) error {
	schema := parquet.NewSchema("row", parquet.SchemaOf(reflect.New(row).Interface()))
	out := parquet.NewGenericWriter[any](w, schema, parquet.Compression(&parquet.Zstd), parquet.DataPageVersion(1), parquet.MaxRowsPerRowGroup(tableRows),
		parquet.CreatedBy("hxp", "", ""))
	for r, err := range rows {
		if err != nil {
			return err
		}
		if _, err := out.Write([]any{r}); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}
