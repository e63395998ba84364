package quota

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SetHeaders writes what the sender may know: RateLimit-Policy and RateLimit as in draft-ietf-httpapi-ratelimit-headers-11,
// and Retry-After when the body was not taken.
func (v Verdict) SetHeaders(h http.Header) {
	if len(v.States) == 0 {
		return
	}
	policy, state := make([]string, len(v.States)), make([]string, len(v.States))
	for i, s := range v.States {
		policy[i] = fmt.Sprintf("%q;q=%d;w=%d", s.Limit, s.Quota, up(s.Window))
		state[i] = fmt.Sprintf("%q;r=%d;t=%d", s.Limit, s.Remaining, up(s.Reset))
	}
	h.Set("RateLimit-Policy", strings.Join(policy, ", "))
	h.Set("RateLimit", strings.Join(state, ", "))
	if v.Exceeded != None && !v.Never {
		h.Set("Retry-After", strconv.Itoa(v.RetryAfter()))
	}
}

// RetryAfter is when to try again, in whole seconds.
func (v Verdict) RetryAfter() int { return int(max(up(v.Retry), 1)) }

// up is a duration in whole seconds, rounded up.
func up(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }
