package lake

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// Files of the lake are removed by whoever has the lock of its folder for himself, and backups share it. So what the manifest names when a backup
// begins is there until it has read it, whatever is compacted, erased or let go meanwhile. A process that is killed leaves no lock.
const pinFile = "_backup.lock"

// Pin keeps the files of the lake in the folder dir from being removed until release is called. It waits while some are being removed.
func Pin(ctx context.Context, dir string) (release func() error, err error) {
	return atomicfile.Share(ctx, filepath.Join(dir, pinFile))
}

// MayRemove lets the caller remove files because of their age until release is called. It may not now while a backup reads them, while somebody
// else removes some, or when the clock was set forward: then they are not as old as they look.
func (l *Lake) MayRemove() (release func() error, now bool, err error) {
	if l.Clock.Doubt() > 0 {
		return nil, false, nil
	}
	release, err = l.lock()
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil, false, nil
	}
	return release, err == nil, err
}

// lock takes the lock for oneself. Object storage is not backed up by us.
func (l *Lake) lock() (release func() error, err error) {
	if l.s3() != nil {
		return func() error { return nil }, nil
	}
	return atomicfile.Lock(filepath.Join(filepath.Dir(l.stage), pinFile))
}
