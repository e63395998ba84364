package lake

import (
	"context"
	"errors"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// errFound ends a walk.
var errFound = errors.New("found")

// CheckManifest refuses a manifest that knows nothing of a lake that has files: somebody named another database than the one that
// the lake was filled with, and the sweep would take every file for a leftover.
func (l *Lake) CheckManifest(ctx context.Context, m Manifest) error {
	positions, err := m.Positions(ctx)
	if err != nil || len(positions) > 0 {
		return err
	}
	for _, k := range event.Kinds {
		topic, found := k.Topic(), ""
		err := l.storage.walk(ctx, topic, func(e entry) error {
			if !ours.MatchString(e.name[len(topic)+1:]) {
				return nil
			}
			found = e.name
			return errFound
		})
		if found != "" {
			return fmt.Errorf("lake: %s has files that the database does not know (%s): it was filled with another database; "+
				"set SQL_DATABASE_URL to that one, or begin anew with an empty folder (HXP_LAKE_URL, HXP_DATA_DIR)", l, found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
