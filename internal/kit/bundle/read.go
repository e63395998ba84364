package bundle

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/zstd"
)

// Extract reads a bundle and writes each member to what place returns for it; nil leaves it out. It fails unless every member is as the
// bundle says, and only then what was written may be used. It closes what place returned.
func Extract(ctx context.Context, in io.Reader, kind string, place func(m Member) (io.WriteCloser, error)) (*Index, error) {
	unpacked, err := zstd.NewReader(&patient{ctx, in}, zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, err
	}
	defer unpacked.Close()
	x := extraction{tar: tar.NewReader(unpacked), place: place, seen: map[string]bool{}}
	if err := x.head(kind); err != nil {
		return nil, faulty(ctx, err)
	}
	for {
		index, err := x.next(ctx)
		if err != nil {
			return nil, faulty(ctx, err)
		}
		if index != nil {
			return index, faulty(ctx, x.end(index))
		}
	}
}

// errPlace marks what is not the bundle's fault.
type errPlace struct{ error }

func (e errPlace) Unwrap() error { return e.error }

// faulty calls an error damage unless it is known to be something else.
func faulty(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer) {
		return err
	}
	if p, ok := errors.AsType[errPlace](err); ok {
		return p.error
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", ErrDamaged)
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err // reading the file itself
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

type extraction struct {
	tar   *tar.Reader
	place func(Member) (io.WriteCloser, error)
	got   []Member
	seen  map[string]bool
	first Head
}

// head reads what the bundle says first.
func (x *extraction) head(kind string) error {
	h, err := x.tar.Next()
	if err != nil {
		return err
	}
	if h.Name != headName || h.Size > maxHead {
		return fmt.Errorf("%w: it does not begin with %s", ErrDamaged, headName)
	}
	if err := json.NewDecoder(io.LimitReader(x.tar, maxHead)).Decode(&x.first); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, headName, err)
	}
	return x.first.check(kind)
}

// next takes one member; the index when it was that.
func (x *extraction) next(ctx context.Context) (*Index, error) {
	h, err := x.tar.Next()
	if err != nil {
		return nil, err
	}
	if h.Name == indexName {
		return x.readIndex(h)
	}
	switch {
	case h.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("%w: %q is no file", ErrDamaged, h.Name)
	case !goodName(h.Name) || x.seen[h.Name]:
		return nil, fmt.Errorf("%w: %q is no name of a member, or comes twice", ErrDamaged, h.Name)
	case len(x.got) == maxMembers:
		return nil, fmt.Errorf("%w: more than %d members", ErrDamaged, maxMembers)
	}
	x.seen[h.Name] = true
	m := Member{Name: h.Name, Size: h.Size, Mode: h.FileInfo().Mode() & fs.ModePerm}
	if m.SHA256, err = x.member(ctx, m); err != nil {
		return nil, err
	}
	x.got = append(x.got, m)
	return nil, nil
}

// member writes one member to its place and returns its hash.
func (x *extraction) member(ctx context.Context, m Member) (hash string, err error) {
	out, err := x.place(m)
	if err != nil {
		return "", errPlace{err}
	}
	sum := sha256.New()
	var into io.Writer = sum
	if out != nil {
		into = io.MultiWriter(sum, placed{out})
		defer func() {
			if e := out.Close(); err == nil && e != nil {
				err = errPlace{e}
			}
		}()
	}
	_, err = io.Copy(into, &patient{ctx, x.tar})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// placed marks errors of writing.
type placed struct{ io.Writer }

func (p placed) Write(b []byte) (int, error) {
	n, err := p.Writer.Write(b)
	if err != nil {
		err = errPlace{err}
	}
	return n, err
}

func (x *extraction) readIndex(h *tar.Header) (*Index, error) {
	if h.Size > maxIndex {
		return nil, fmt.Errorf("%w: a list of %d bytes", ErrDamaged, h.Size)
	}
	var index Index
	if err := json.NewDecoder(x.tar).Decode(&index); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, indexName, err)
	}
	return &index, nil
}

// end compares what came with what the bundle says, and sees to it that nothing comes after.
func (x *extraction) end(index *Index) error {
	if index.Kind != x.first.Kind || index.Format != x.first.Format {
		return fmt.Errorf("%w: its end is not that of its beginning", ErrDamaged)
	}
	if len(index.Members) != len(x.got) {
		return fmt.Errorf("%w: %d members came and %d should", ErrDamaged, len(x.got), len(index.Members))
	}
	for i, m := range x.got {
		if want := index.Members[i]; m != want {
			return fmt.Errorf("%w: %s is not as it was put in (sha256 %s, %s)", ErrDamaged, want.Name, m.SHA256, want.SHA256)
		}
	}
	if _, err := x.tar.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something comes after the list of its members", ErrDamaged)
	}
	return nil
}
