package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// How long and how often somebody else may be in the way.
const (
	logTries = 100
	logPause = 50 * time.Millisecond
)

func (f *folder) load(_ context.Context, name string) ([]byte, error) {
	data, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// extend appends under a lock.
func (f *folder) extend(ctx context.Context, name string, fn func([]byte) (int, []byte, error)) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	unlock, err := f.lock(ctx, name+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	have, err := f.load(ctx, name)
	if err != nil {
		return err
	}
	keep, add, err := fn(have)
	if err != nil || len(add) == 0 {
		return err
	}
	file, err := os.OpenFile(f.path(name), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if keep < len(have) {
		err = file.Truncate(int64(keep))
	}
	if err == nil {
		_, err = file.WriteAt(add, int64(keep))
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil || len(have) > 0 {
		return err
	}
	return atomicfile.SyncDir(f.dir)
}

// lock waits for its turn.
func (f *folder) lock(ctx context.Context, name string) (unlock func() error, err error) {
	for range logTries {
		if unlock, err = atomicfile.Lock(f.path(name)); !errors.Is(err, atomicfile.ErrLocked) {
			return unlock, err
		}
		select {
		case <-time.After(logPause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return nil, err
}

func (s *s3Store) load(ctx context.Context, name string) ([]byte, error) {
	data, _, err := s.loadTagged(ctx, name)
	return data, err
}

// loadTagged returns an object and the tag that it changes under, "" when it is not there.
func (s *s3Store) loadTagged(ctx context.Context, name string) (data []byte, tag string, err error) {
	body, info, _, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		if statusOf(err) == http.StatusNotFound {
			return nil, "", nil
		}
		return nil, "", err
	}
	defer body.Close()
	data, err = io.ReadAll(body)
	return data, info.ETag, err
}

// extend writes the whole object again, on the condition that nobody has changed it meanwhile.
func (s *s3Store) extend(ctx context.Context, name string, fn func([]byte) (int, []byte, error)) error {
	for range logTries {
		have, tag, err := s.loadTagged(ctx, name)
		if err != nil {
			return err
		}
		keep, add, err := fn(have)
		if err != nil || len(add) == 0 {
			return err
		}
		opts := minio.PutObjectOptions{ContentType: "application/x-ndjson"}
		if tag == "" {
			opts.SetMatchETagExcept("*")
		} else {
			opts.SetMatchETag(tag)
		}
		all := append(have[:keep:keep], add...)
		_, err = s.client.PutObject(ctx, s.bucket, s.prefix+name, bytes.NewReader(all), int64(len(all)), "", "", opts)
		if status := statusOf(err); err == nil || status != http.StatusPreconditionFailed && status != http.StatusConflict {
			return err
		}
		select {
		case <-time.After(logPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%s is changed by others all the time", name)
}
