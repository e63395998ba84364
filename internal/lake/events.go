package lake

import (
	"context"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// eventsBudget is the memory for finding copies in Events, in bytes.
const eventsBudget = 128 << 20

// Events calls fn with the events of an hour, each once, also where compaction has not been yet. The row is used again for the next call.
func (l *Lake) Events(ctx context.Context, m Manifest, hour int64, fn func(*event.LakeRow) error) error {
	files, _, err := m.LiveFiles(ctx, hour)
	if err != nil {
		return err
	}
	c := &compaction{lake: l, compacting: compacting{budget: eventsBudget, workers: 1}, hour: hour, files: files, strict: true}
	if err := c.survey(ctx); err != nil {
		return fmt.Errorf("lake: events of hour %s: %w", time.Unix(hour, 0).UTC().Format(time.RFC3339), err)
	}
	var block event.LakeBlock
	var row event.LakeRow
	for i := range c.files {
		if err := c.events(ctx, i, &block, &row, fn); err != nil {
			return fmt.Errorf("lake: %s: %w", c.files[i].Path, err)
		}
	}
	return nil
}

// events shows the rows of a file that are no copies.
func (c *compaction) events(ctx context.Context, file int, block *event.LakeBlock, row *event.LakeRow, fn func(*event.LakeRow) error) error {
	r, err := c.lake.OpenFile(ctx, c.files[file])
	if err != nil {
		return err
	}
	defer r.Close()
	n := 0
	for number := range r.Blocks() {
		if err := r.Read(ctx, number, event.AllLakeColumns, block); err != nil {
			return err
		}
		for i := range block.Rows {
			if n++; c.drop[file].has(n - 1) {
				continue
			}
			if err := block.Row(i, row); err != nil {
				return err
			}
			if err := fn(row); err != nil {
				return err
			}
		}
	}
	return nil
}
