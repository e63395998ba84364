package lake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// OpenRaw opens a file of the lake to be copied.
func (l *Lake) OpenRaw(ctx context.Context, name string) (io.ReadCloser, error) {
	return openReader(ctx, l.storage, name)
}

// CheckRaw says what is wrong with a file of the lake, "" when nothing is.
func (l *Lake) CheckRaw(ctx context.Context, f event.LakeFile) string {
	return compareStored(ctx, l.storage, f.Path, f.Bytes, f.SHA256)
}

// RemoveRaw removes a file that is not part of the lake any more.
func (l *Lake) RemoveRaw(ctx context.Context, name string) error {
	if err := l.storage.remove(ctx, name); err != nil {
		return fmt.Errorf("lake: remove %s: %w", name, err)
	}
	return nil
}

// BringBack puts a copy of a file that has left into the lake and returns its new name. It becomes part of the lake when the
// manifest names it; until then it is an orphan. The name is new, so that a removal of the old file that is under way somewhere
// never meets it.
func (l *Lake) BringBack(ctx context.Context, f event.LakeFile, open func(context.Context) (io.ReadCloser, error)) (name string, err error) {
	local, err := stageCopy(ctx, l.stage, f.Bytes, f.SHA256, open)
	if err != nil {
		return "", fmt.Errorf("lake: bring %s back: %w", f.Path, err)
	}
	name = renamed(f.Path)
	if err := l.storage.place(ctx, []staged{{local, name, f.Bytes, f.SHA256}}); err != nil {
		return "", errors.Join(fmt.Errorf("lake: bring %s back: %w", f.Path, err), os.Remove(local))
	}
	return name, nil
}

// comeback stands between the first name of a file and what tells apart how often it came back.
const comeback = "~"

func renamed(name string) string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	first := firstName(name)
	return strings.TrimSuffix(first, path.Ext(first)) + comeback + hex.EncodeToString(b) + path.Ext(first)
}

func firstName(name string) string {
	ext := path.Ext(name)
	if first, _, back := strings.Cut(strings.TrimSuffix(name, ext), comeback); back {
		return first + ext
	}
	return name
}

// FirstName is the name that a file had before it ever left the lake.
func (l *Lake) FirstName(name string) string { return firstName(name) }
