package broker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Strangers are refused below the reserve, hxp's own topics below a quarter of it; both are let in again as soon as there is room, and
// however the disk came to be full.
func TestDiskReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUsage(Config{Dir: "somewhere", MaxBytes: 1 << 40, MaxBatches: 1 << 40, DiskReserve: 100 << 20})
		free := int64(0)
		u.disk.look = func(string) int64 { return free }
		for _, c := range []struct {
			free          int64
			strangers, us bool
		}{
			{1 << 30, true, true}, {99 << 20, false, true}, {24 << 20, false, false}, {0, false, false}, {100 << 20, true, true}, {-1, true, true},
		} {
			free = c.free
			time.Sleep(lookEach)
			if got := u.admit(1, 1, false); got != c.strangers {
				t.Errorf("%d free: strangers %v", c.free, got)
			}
			if got := u.admit(1, 1, true); got != c.us {
				t.Errorf("%d free: our own %v", c.free, got)
			}
			if full, why := u.full(); full == c.strangers || full && !strings.Contains(why, "HXP_BROKER_DISK_RESERVE") {
				t.Errorf("%d free: full %v, %q", c.free, full, why)
			}
		}
		looks := 0
		u.disk.look = func(string) int64 { looks++; return 1 << 30 }
		time.Sleep(lookEach)
		for range 1000 {
			u.disk.full(false)
		}
		if looks != 1 {
			t.Errorf("%d looks at one moment", looks)
		}
	})
}
