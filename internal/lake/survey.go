package lake

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// survey orders the files by place and finds the copies among all rows of the hour, in as many passes as the memory asks for.
func (c *compaction) survey(ctx context.Context) error {
	sorting.By(c.files, event.LakeFile.ComparePlace)
	rows := int64(0)
	for i := range c.files {
		if kindOf(&c.files[i]) == event.NoKind {
			return fmt.Errorf("%s: its folder is not that of a topic", c.files[i].Path)
		}
		c.base = append(c.base, rows)
		rows += c.files[i].Rows
	}
	if rows >= 1<<32 {
		return fmt.Errorf("it has %d rows, more than %d", rows, int64(1<<32))
	}
	c.drop = make([]bitset, len(c.files))
	passes := uint64(max(1, (rows*slotBytes+c.identityBytes()-1)/c.identityBytes()))
	seed := maphash.MakeSeed()
	var block event.LakeBlock
	var hashes [][2]uint64
	for pass := range passes {
		set, chain := newCopies(rows/int64(passes)), uint64(0)
		for i := range c.files {
			if i == 0 || c.files[i].TopicPartition() != c.files[i-1].TopicPartition() {
				chain++
			}
			v := visit{set: set, pass: pass, passes: passes, chain: chain, seed: seed, strict: c.strict, file: &c.files[i], row: c.base[i]}
			if err := c.visit(ctx, &v, &block, &hashes); err != nil {
				return err
			}
		}
		if chain >= 1<<(64-offsetBits) {
			return fmt.Errorf("its rows come from %d partitions, more than %d", chain, 1<<(64-offsetBits))
		}
	}
	return nil
}

const offsetBits = 47 // of a place: 140 million million

// visit is the reading of one file for the survey.
type visit struct {
	set          *copies
	pass, passes uint64
	chain        uint64 // rank of its partition among those of the hour
	seed         maphash.Seed
	strict       bool // every copy is dropped
	file         *event.LakeFile
	row          int64 // number of the next row in the hour
}

// visit enters the rows of a file whose identities belong to the pass. The block and the hashes are room to work in.
func (c *compaction) visit(ctx context.Context, v *visit, b *event.LakeBlock, hashes *[][2]uint64) error {
	r, err := c.lake.OpenFile(ctx, *v.file)
	if err != nil {
		return err
	}
	defer r.Close()
	columns := event.ColumnsOf(event.LakeID, event.LakeSource, event.LakeOffset)
	if r.Kind() == event.LLMRequest {
		columns |= event.FieldsOf(event.Model, event.RequestID) // it may name the model of its request
	}
	for i := range r.Blocks() {
		if err := r.Read(ctx, i, columns, b); err != nil {
			return err
		}
		*hashes = b.Identities((*hashes)[:0])
		for i, h := range *hashes {
			v.row++
			if v.passes > 1 && h[1]%v.passes != v.pass {
				continue
			}
			slot, err := v.slot(b, i, h)
			if err != nil {
				return fmt.Errorf("lake: %s: %w", v.file.Path, err)
			}
			c.note(v.set.enter(slot))
		}
	}
	return nil
}

// slot makes the entry of a row.
func (v *visit) slot(b *event.LakeBlock, i int, hash [2]uint64) (copySlot, error) {
	offset := b.Column(event.LakeOffset).Int(i)
	if offset < v.file.From || offset >= v.file.To || offset >= 1<<offsetBits {
		return copySlot{}, fmt.Errorf("offset %d is not within [%d, %d)", offset, v.file.From, v.file.To)
	}
	s := copySlot{hash: hash, place: v.chain<<offsetBits | uint64(offset), row: uint32(v.row - 1)}
	if v.strict {
		return s, nil
	}
	if request := b.Field(event.RequestID).Text(i); request != "" && b.Field(event.Model).Text(i) != "" {
		s.names = uint32(maphash.String(v.seed, request)) | 1
	}
	return s, nil
}

// note marks a copy.
func (c *compaction) note(row uint32, ok, again bool) {
	switch {
	case ok:
		file, found := slices.BinarySearch(c.base, int64(row))
		if !found {
			file--
		}
		for c.files[file].Rows == 0 || c.base[file]+c.files[file].Rows <= int64(row) {
			file++ // files without rows share their base
		}
		c.drop[file].set(int(int64(row)-c.base[file]), int(c.files[file].Rows))
	case again:
		c.stayed++
	}
}
