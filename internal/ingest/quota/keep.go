package quota

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// kept is a book on disk: the events of one day by sender.
type kept struct {
	Version int              `json:"version"`
	Day     int64            `json:"day"` // days since the epoch
	Used    map[string]int64 `json:"used"`
}

const (
	keptVersion = 1
	maxKept     = 64 << 20 // bytes; MaxSenders of the longest names that pass are fewer
)

// Keep writes what was counted of the day to a file, when something was since the last time.
func (b *Book) Keep(path string, now time.Time) error {
	k := kept{Version: keptVersion, Day: now.Unix() / 86400, Used: map[string]int64{}}
	b.mu.Lock()
	if !b.changed || b.policy.Day <= 0 {
		b.mu.Unlock()
		return nil
	}
	for name, el := range b.senders {
		if s := el.Value.(*sender); s.day == k.Day && s.used > 0 {
			k.Used[name] = s.used
		}
	}
	b.changed = false
	b.mu.Unlock()
	text, err := json.Marshal(k)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = atomicfile.WritePrivate(path, text)
	}
	if err != nil {
		b.mu.Lock()
		b.changed = true
		b.mu.Unlock()
		return fmt.Errorf("keep quotas: %w", err)
	}
	return nil
}

// Recall takes in what Keep wrote of the same day. A file that is missing is no error; one that cannot be read leaves the book as
// it was.
func (b *Book) Recall(path string, now time.Time) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Size() > maxKept {
		err = fmt.Errorf("%d bytes are more than a book of quotas has", info.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	var k kept
	if err == nil {
		k, err = parseKept(text)
	}
	if err != nil {
		return fmt.Errorf("read quotas from %s: %w", path, err)
	}
	if k.Day != now.Unix()/86400 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, used := range k.Used {
		s := b.account(name, now)
		s.used = max(s.used, used)
	}
	return nil
}

func parseKept(text []byte) (k kept, err error) {
	if err := json.Unmarshal(text, &k); err != nil {
		return k, err
	}
	if k.Version != keptVersion {
		return k, fmt.Errorf("version %d is not known here; this program writes %d", k.Version, keptVersion)
	}
	if most := 2*MaxSenders + 1; len(k.Used) > most { // with those that are known, and the others
		return k, fmt.Errorf("%d senders are more than the %d that are kept", len(k.Used), most)
	}
	for name, n := range k.Used {
		if n < 0 {
			return k, fmt.Errorf("sender %q has %d events", name, n)
		}
	}
	return k, nil
}
