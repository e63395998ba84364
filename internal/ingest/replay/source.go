package replay

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// headBytes is how much of the unpacked content is looked at to tell the format.
const headBytes = 64 << 10

// stdinName stands for standard input in messages.
const stdinName = "<stdin>"

// source is one input, unpacked and read as often as needed.
type source struct {
	name string // as the user gave it, for messages
	path string // where the bytes lie: the same, or a spool of standard input
	own  bool   // path is ours to remove

	hash  string // 24 hex digits of the SHA-256 of the unpacked content
	bytes int64  // unpacked
	head  []byte // first bytes, unpacked
}

// openSource looks at an input: name is a path or "-" for stdin. What cannot be read twice (a pipe) is spooled to a
// temporary file first, for ids come from the whole content. The caller closes the source.
func openSource(name string, stdin io.Reader) (*source, error) {
	s := &source{name: name, path: name}
	if name == "-" {
		s.name = stdinName
		if err := s.spool(stdin); err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
	} else if err := s.file(); err != nil {
		return nil, err
	}
	if err := s.survey(); err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return s, nil
}

func (s *source) file() error {
	info, err := os.Stat(s.path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder: name its files", s.name)
	case info.Mode().IsRegular():
		return nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.spool(f)
}

func (s *source) spool(r io.Reader) error {
	f, err := os.CreateTemp("", "hxp-replay-*")
	if err != nil {
		return err
	}
	s.path, s.own = f.Name(), true
	if _, err = io.Copy(f, r); err != nil {
		f.Close()
		s.close()
		return err
	}
	return f.Close()
}

func (s *source) close() {
	if s.own {
		_ = os.Remove(s.path) // a spool left in the temporary folder harms nobody
	}
}

// survey reads everything once: hash, size and head.
func (s *source) survey() error {
	r, err := s.open()
	if err != nil {
		return err
	}
	defer r.Close()
	first, err := io.ReadAll(io.LimitReader(r, headBytes))
	if err != nil {
		return err
	}
	hash := sha256.New()
	hash.Write(first)
	rest, err := io.Copy(hash, r)
	if err != nil {
		return err
	}
	s.head, s.bytes = bytes.TrimPrefix(first, bom), int64(len(first))+rest
	s.hash = hex.EncodeToString(hash.Sum(nil)[:12])
	return nil
}

var bom = []byte("\xef\xbb\xbf")

// open returns the unpacked content from the start. Compression is told by the first bytes.
func (s *source) open() (io.ReadCloser, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(f, 256<<10)
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("unpack gzip: %w", err)
		}
		return &unpacked{z, f, func() { z.Close() }}, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(512<<20))
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("unpack zstd: %w", err)
		}
		return &unpacked{z, f, z.Close}, nil
	}
	return &unpacked{b, f, func() {}}, nil
}

type unpacked struct {
	io.Reader
	file *os.File
	stop func()
}

func (u *unpacked) Close() error {
	u.stop()
	return u.file.Close()
}
