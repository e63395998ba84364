package lake

import (
	"fmt"
	"time"
)

// InTime tells whether files that were brought to their places since began may still be named by the manifest. The sweep, of this
// process or another, removes what the manifest does not know after the orphan grace; half of it is left for the transaction and
// for clocks. It goes by the clock on the wall, because a machine that sleeps does not stop the sweep of another.
func (l *Lake) InTime(began time.Time) error {
	if took := time.Now().Round(0).Sub(began.Round(0)); took > l.grace/2 {
		return fmt.Errorf("it took %s; after %s a sweep may remove files that are not named yet, so nothing was changed: raise lake.orphan_grace (HXP_LAKE_ORPHAN_GRACE), the same for all instances",
			took.Round(time.Second), (l.grace / 2).Round(time.Second))
	}
	return nil
}
