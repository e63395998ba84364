package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// ArchiveManifest is the file of an archive that names all others: one JSON object a line, in which prev is the sha256 of the line
// before. Lines are only ever added, so whoever keeps the hash of the last one can tell later whether any was changed.
const ArchiveManifest = "manifest.jsonl"

// Archive keeps copies of what has left, in a folder or in object storage. Several processes may use one archive.
type Archive struct {
	storage storage
	log     appendLog
	stage   string
}

// appendLog is a file that grows.
type appendLog interface {
	// extend calls fn with everything that is there and adds what it returns, so that it survives what the storage promises to
	// survive. Nobody else adds in between; fn may be called again. What is there may end within a line, after a crash: fn says
	// with keep how much of it stays.
	extend(ctx context.Context, name string, fn func(have []byte) (keep int, add []byte, err error)) error
	// load returns everything that is there.
	load(ctx context.Context, name string) ([]byte, error)
}

// OpenArchive returns the archive at a folder or at s3://BUCKET/PREFIX. local is a folder of this machine for files on their way
// to object storage. Nothing is made before there is something to keep.
func OpenArchive(ctx context.Context, url string, cfg S3, local string) (*Archive, error) {
	if strings.HasPrefix(url, "s3://") {
		stage := filepath.Join(local, tmp)
		s, err := openS3(ctx, url, cfg, stage)
		if err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
		return &Archive{s, s, stage}, nil
	}
	if scheme, _, found := strings.Cut(url, "://"); found && scheme != "file" {
		return nil, fmt.Errorf("archive: %s: write a folder or s3://BUCKET/PREFIX", url)
	}
	dir, err := filepath.Abs(strings.TrimPrefix(url, "file://"))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	f := &folder{dir: dir}
	return &Archive{f, f, filepath.Join(dir, tmp)}, nil
}

// String says where the archive is.
func (a *Archive) String() string { return a.storage.String() }

// Put makes a copy under a name and returns when it was read again and found whole. The very same copy that is there already is
// left as it is; another one there is replaced: names are given to contents, so it is damaged.
func (a *Archive) Put(ctx context.Context, e event.ArchiveEntry, open func(context.Context) (io.ReadCloser, error)) error {
	if reason := compareStored(ctx, a.storage, e.Path, e.Bytes, e.SHA256); reason == "" {
		return nil
	}
	if err := a.put(ctx, e, open); err != nil {
		return fmt.Errorf("archive: copy %s: %w", e.Path, err)
	}
	if reason := compareStored(ctx, a.storage, e.Path, e.Bytes, e.SHA256); reason != "" {
		return fmt.Errorf("archive: copy %s: read again, %s", e.Path, reason)
	}
	return nil
}

func (a *Archive) put(ctx context.Context, e event.ArchiveEntry, open func(context.Context) (io.ReadCloser, error)) error {
	local, err := stageCopy(ctx, a.stage, e.Bytes, e.SHA256, open)
	if err != nil {
		return err
	}
	defer os.Remove(local) // gone already when it got its place
	if err := a.storage.remove(ctx, e.Path); err != nil {
		return err
	}
	return a.storage.place(ctx, []staged{{local, e.Path, e.Bytes, e.SHA256}})
}

// stageCopy writes what open gives into a new file of a folder, brings it to the disk, and checks that it is what it should be.
func stageCopy(ctx context.Context, stage string, size int64, hash string, open func(context.Context) (io.ReadCloser, error)) (path string, err error) {
	src, err := open(ctx)
	if err != nil {
		return "", err
	}
	defer src.Close()
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(stage, "copy-*.parquet") // the sweep of a lake takes what a killed process leaves
	if err != nil {
		return "", err
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = e
		}
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum), src)
	if err != nil {
		return "", err
	}
	if n != size || hex.EncodeToString(sum.Sum(nil)) != hash {
		return "", fmt.Errorf("the file is not the one that is known: %d bytes, sha256 %x, instead of %d and %s", n, sum.Sum(nil), size, hash)
	}
	return file.Name(), errors.Join(file.Sync(), file.Chmod(0o644))
}

// Open opens a copy; it is not checked.
func (a *Archive) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	return openReader(ctx, a.storage, name)
}

// openReader opens a file to be read from its beginning.
func openReader(ctx context.Context, s storage, name string) (io.ReadCloser, error) {
	o, err := s.open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(o, 0, o.Size()), o}, nil
}

// Record adds lines to the manifest for those of the entries that it does not name yet with the same content.
func (a *Archive) Record(ctx context.Context, entries []event.ArchiveEntry) error {
	err := a.log.extend(ctx, ArchiveManifest, func(have []byte) (int, []byte, error) {
		keep := bytes.LastIndexByte(have, '\n') + 1
		known, prev := map[[2]string]bool{}, ""
		for _, l := range chainOf(have[:keep]) {
			known[[2]string{l.Path, l.SHA256}], prev = true, l.hash
		}
		var add []byte
		for _, e := range entries {
			if known[[2]string{e.Path, e.SHA256}] {
				continue
			}
			e.Prev = prev
			line, err := json.Marshal(e)
			if err != nil {
				return 0, nil, err
			}
			prev = hashOf(line)
			add = append(append(add, line...), '\n')
		}
		return keep, add, nil
	})
	if err != nil {
		return fmt.Errorf("archive: manifest: %w", err)
	}
	return nil
}

// link is a line of the manifest.
type link struct {
	event.ArchiveEntry
	hash   string // of the line
	broken string // what is wrong with it
}

// chainOf reads a manifest. A line that cannot be read is a broken link.
func chainOf(data []byte) (out []link) {
	prev := ""
	for line := range bytes.Lines(data) {
		whole := bytes.HasSuffix(line, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\n"))
		l := link{hash: hashOf(line)}
		switch err := json.Unmarshal(line, &l.ArchiveEntry); {
		case !whole:
			l.broken = "the line has no end: whoever wrote it was killed; the next one who adds takes it away"
		case err != nil:
			l.broken = "the line is no entry: " + err.Error()
		case l.Prev != prev:
			l.broken = "prev is not the sha256 of the line before: one of the two was changed, or lines are missing"
		}
		out = append(out, l)
		prev = l.hash
	}
	return out
}

func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// Verify reads every copy again, compares it with the manifest, and follows the chain of its lines. entries are those of lines
// that can be read.
func (a *Archive) Verify(ctx context.Context) (entries []event.ArchiveEntry, bad []event.ArchiveFault, err error) {
	data, err := a.log.load(ctx, ArchiveManifest)
	if err != nil {
		return nil, nil, fmt.Errorf("archive: manifest: %w", err)
	}
	last := map[string]event.ArchiveEntry{} // one path may have been copied again
	for i, l := range chainOf(data) {
		if l.broken != "" {
			bad = append(bad, event.ArchiveFault{Path: fmt.Sprintf("%s:%d", ArchiveManifest, i+1), Reason: l.broken})
		}
		if l.Path != "" {
			entries = append(entries, l.ArchiveEntry)
			last[l.Path] = l.ArchiveEntry
		}
	}
	for _, e := range entries {
		if last[e.Path] != e {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if reason := compareStored(ctx, a.storage, e.Path, e.Bytes, e.SHA256); reason != "" {
			bad = append(bad, event.ArchiveFault{Path: e.Path, Reason: reason})
		}
	}
	return entries, bad, nil
}
