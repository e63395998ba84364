package httpx

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Bounds of the parameter without.
const (
	mostLeftOut    = 50
	longestLeftOut = 512 // bytes of a value
)

// LeftOut are the values of dimensions that do not count in an answer, by dimension; "" is what names none.
type LeftOut map[string][]string

// Has tells whether a value is left out.
func (l LeftOut) Has(dimension, value string) bool { return slices.Contains(l[dimension], value) }

// Without describes the parameter that LeftOutOf reads.
func Without(what string) Option {
	return Query("without", "DIMENSION:VALUE, and again for more: nothing of this value counts, neither in sums nor in groups. DIMENSION: alone leaves out what names none. "+what, List(Schema{"type": "string", "minLength": 2}))
}

// LeftOutOf reads the parameters without=DIMENSION:VALUE of some known dimensions.
func LeftOutOf(v url.Values, known []string) (LeftOut, []FieldError) {
	out, bad := LeftOut{}, []FieldError(nil)
	refuse := func(format string, args ...any) {
		bad = append(bad, FieldError{Pointer: "?without", Code: "invalid", Detail: fmt.Sprintf(format, args...)})
	}
	if n := len(v["without"]); n > mostLeftOut {
		refuse("without: %d values, at most %d are left out at a time", n, mostLeftOut)
		return nil, bad
	}
	for _, text := range v["without"] {
		dimension, value, both := strings.Cut(text, ":")
		switch shown := words.Clip(text, 80); {
		case !both || !slices.Contains(known, dimension):
			refuse("without=%q: give DIMENSION:VALUE, with one of %s", shown, strings.Join(known, ", "))
		case len(value) > longestLeftOut:
			refuse("without=%q: %d bytes, at most %d are allowed", shown, len(value), longestLeftOut)
		case !out.Has(dimension, value):
			out[dimension] = append(out[dimension], value)
		}
	}
	return out, bad
}
