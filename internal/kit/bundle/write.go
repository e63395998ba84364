package bundle

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// Writer makes a bundle. It belongs to one goroutine. Call Close, or Abort, which is harmless after Close.
type Writer struct {
	path  string
	file  *os.File
	out   *bufio.Writer
	pack  *zstd.Encoder
	tar   *tar.Writer
	index Index
	names map[string]bool
}

// Create begins a bundle. Its file has its name only after Close; nobody but the owner may read it.
func Create(path string, head Head) (*Writer, error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	left, _ := filepath.Glob(filepath.Join(dir, "."+escapeGlob(name)+".tmp-*")) // of a process that was killed
	for _, old := range left {
		_ = os.RemoveAll(old)
	}
	file, err := os.CreateTemp(dir, "."+name+".tmp-*") // mode 0600
	if err != nil {
		return nil, err
	}
	head.Format = Format
	w := &Writer{path: path, file: file, out: bufio.NewWriterSize(file, 1<<20), index: Index{Head: head, Members: []Member{}}, names: map[string]bool{}}
	if w.pack, err = zstd.NewWriter(w.out, zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
		w.Abort()
		return nil, err
	}
	w.tar = tar.NewWriter(w.pack)
	text, err := json.Marshal(w.index.Head)
	if err == nil {
		err = w.raw(headName, text)
	}
	if err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

func escapeGlob(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// Temp is the file as long as it is not finished, for those who must not pack it into itself.
func (w *Writer) Temp() string { return w.file.Name() }

func (w *Writer) raw(name string, text []byte) error {
	if err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o644, ModTime: w.index.Created.Truncate(time.Second), Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := w.tar.Write(text)
	return err
}

// Add puts the first size bytes of r in. Fewer are an error.
func (w *Writer) Add(ctx context.Context, name string, size int64, mode fs.FileMode, r io.Reader) error {
	if !goodName(name) || w.names[name] {
		return fmt.Errorf("%q is no name for a member, or another one has it", name)
	}
	w.names[name] = true
	mode &= fs.ModePerm
	if err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: int64(mode), ModTime: w.index.Created.Truncate(time.Second), Format: tar.FormatPAX}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w.tar, sum), &patient{ctx, io.LimitReader(r, size)})
	if err == nil && n < size {
		err = fmt.Errorf("it has %d bytes, not %d: it became shorter meanwhile", n, size)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w.index.Members = append(w.index.Members, Member{name, size, mode, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// Close writes the list of what is in it and gives the file its name. The index returned is that list.
func (w *Writer) Close(note map[string]string) (*Index, error) {
	defer w.Abort()
	w.index.Note = note
	text, err := json.Marshal(w.index)
	if err != nil {
		return nil, err
	}
	if err := w.raw(indexName, text); err != nil {
		return nil, err
	}
	if err := errors.Join(w.tar.Close(), w.pack.Close(), w.out.Flush(), w.file.Sync()); err != nil {
		return nil, err
	}
	if err := os.Rename(w.file.Name(), w.path); err != nil {
		return nil, err
	}
	dir := filepath.Dir(w.path)
	return &w.index, atomicfile.SyncDir(dir)
}

// Abort leaves nothing behind.
func (w *Writer) Abort() {
	if w.file == nil {
		return
	}
	_ = w.file.Close()           // what is being packed has nowhere to go now
	_ = os.Remove(w.file.Name()) // gone already when it has its name
	w.file = nil
}

// patient reads until its context ends.
type patient struct {
	ctx context.Context
	io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, context.Cause(p.ctx)
	}
	return p.Reader.Read(b)
}

// Text is Add for bytes in memory.
func (w *Writer) Text(ctx context.Context, name string, text []byte) error {
	return w.Add(ctx, name, int64(len(text)), 0o644, bytes.NewReader(text))
}
