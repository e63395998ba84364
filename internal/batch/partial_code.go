package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// partialVersion is the first byte of an encoded partial; partials of another version are made again. 1 had no joined requests.
const partialVersion = 2

// maxPartial bounds an encoded partial. 5,000 models with their latencies take 15 MB, a million users 40.
const maxPartial = 256 << 20

var errPartial = errors.New("damaged partial")

// encode writes p. The bytes depend on the rows alone, not on who read them: values lie in the order of their names.
func (p *partial) encode() ([]byte, error) {
	dst := []byte{partialVersion, 0}
	if p.counted {
		dst[1] = 1
	}
	dst = binary.AppendUvarint(dst, uint64(p.rows))
	dst = binary.AppendUvarint(dst, uint64(p.events))
	for i := range p.groups {
		dst = binary.AppendUvarint(dst, uint64(len(p.groups[i])))
		for _, name := range slices.Sorted(maps.Keys(p.groups[i])) {
			v := p.groups[i][name]
			dst = appendCell(appendValue(dst, name, v.events), v.cell)
			if len(dst) > maxPartial {
				return nil, p.tooLarge(dimensionOf(i))
			}
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(p.users)))
	for _, name := range slices.Sorted(maps.Keys(p.users)) {
		u := p.users[name]
		dst = appendCell(u.usage.Append(appendValue(dst, name, u.events)), u.cell)
		if len(dst) > maxPartial {
			return nil, p.tooLarge(agg.ByUser)
		}
	}
	dst = p.others.Append(dst)
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(p.joined.Requests)), uint64(p.joined.Complete)), nil
}

func (p *partial) tooLarge(dimension string) error {
	return fmt.Errorf("the part has so many values of %s that what is kept of them takes more than %d MiB; fold the hour in more parts, or in one piece", dimension, maxPartial>>20)
}

func appendValue(dst []byte, name string, events int64) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
	return binary.AppendUvarint(dst, uint64(events))
}

func appendCell(dst []byte, c *agg.Cell) []byte {
	if c == nil {
		return append(dst, 0)
	}
	return c.Append(append(dst, 1))
}

// decodePartial reads what encode wrote. It keeps nothing of src.
func decodePartial(src []byte) (*partial, error) {
	r := partialReader{src: src}
	p := newPartial()
	if version := r.byte(); r.err == nil && version != partialVersion {
		return nil, fmt.Errorf("%w: version %d", errPartial, version)
	}
	p.counted = r.flag()
	p.rows, p.events = r.number(), r.number()
	for i := range p.groups {
		for range r.number() {
			v := &value{name: r.text(), events: r.number()}
			v.cell = r.cell()
			if _, twice := p.groups[i][v.name]; twice {
				r.fail("a value is there twice")
			}
			if r.err != nil {
				return nil, r.err
			}
			p.groups[i][v.name] = v
		}
	}
	for range r.number() {
		u := &userTotal{name: r.text(), events: r.number()}
		r.take(u.usage.Decode)
		u.cell = r.cell()
		if _, twice := p.users[u.name]; twice {
			r.fail("a user is there twice")
		}
		if r.err != nil {
			return nil, r.err
		}
		p.users[u.name] = u
	}
	r.take(p.others.Decode)
	if p.joined = (agg.Joined{Requests: r.number(), Complete: r.number()}); r.err == nil && len(r.src) > 0 {
		r.fail("something follows")
	}
	return p, r.err
}

// encode writes which values are allowed; never empty.
func (c choice) encode() []byte {
	dst := []byte{partialVersion}
	for _, dimension := range slices.Sorted(maps.Keys(c)) {
		dst = appendValue(dst, dimension, int64(len(c[dimension])))
		for _, name := range slices.Sorted(maps.Keys(c[dimension])) {
			dst = append(binary.AppendUvarint(dst, uint64(len(name))), name...)
		}
	}
	return dst
}

// decodeChoice reads what encode wrote; nil when there is nothing.
func decodeChoice(src []byte) (choice, error) {
	if src == nil {
		return nil, nil
	}
	c, r := choice{}, partialReader{src: src}
	if version := r.byte(); version != partialVersion {
		return nil, fmt.Errorf("choice of values: %w: version %d", errPartial, version)
	}
	for len(r.src) > 0 {
		dimension, n := r.text(), r.number()
		names := map[string]bool{}
		for range n {
			if names[r.text()] = true; r.err != nil {
				break
			}
		}
		c[dimension] = names
	}
	return c, r.err
}

// mergeParts makes the hour out of the partials of all its parts.
func mergeParts(encoded [][]byte, limits map[string]int) (*folded, error) {
	sum := newPartial()
	for k, src := range encoded {
		p, err := decodePartial(src)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", k, err)
		}
		if p.counted {
			return nil, fmt.Errorf("part %d: %w", k, errTooMany)
		}
		sum.merge(p)
	}
	return sum.finish(limits), nil
}

// partialReader takes values from src until the first error. A count that is too large ends at the first value that is not there, so
// memory is in proportion to the bytes.
type partialReader struct {
	src []byte
	err error
}

func (r *partialReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errPartial, what)
	}
	r.src = nil
}

func (r *partialReader) byte() byte {
	if len(r.src) == 0 {
		r.fail("it ends early")
		return 0
	}
	b := r.src[0]
	r.src = r.src[1:]
	return b
}

func (r *partialReader) flag() bool {
	b := r.byte()
	if b > 1 {
		r.fail("neither yes nor no")
	}
	return b == 1
}

func (r *partialReader) number() int64 {
	n, size := binary.Uvarint(r.src)
	if size <= 0 || n > 1<<60 {
		r.fail("no number")
		return 0
	}
	r.src = r.src[size:]
	return int64(n)
}

func (r *partialReader) text() string {
	n := r.number()
	if n > int64(len(r.src)) {
		r.fail("a name is longer than what is left")
		return ""
	}
	s := string(r.src[:n])
	r.src = r.src[n:]
	return s
}

func (r *partialReader) cell() *agg.Cell {
	if !r.flag() {
		return nil
	}
	c := new(agg.Cell)
	r.take(c.Decode)
	return c
}

// take lets a decoder take what it needs.
func (r *partialReader) take(decode func([]byte) ([]byte, error)) {
	if r.err != nil {
		return
	}
	rest, err := decode(r.src)
	if err != nil {
		r.fail(err.Error())
		return
	}
	r.src = rest
}
