package httpx

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Unknown refuses parameters that are not among the known ones, so that a slip of the pen is not taken for "everything", and those that are given
// more than once; without is a list.
func Unknown(v url.Values, known ...string) (bad []FieldError) {
	are := "known are " + strings.Join(known, ", ")
	if len(known) == 0 {
		are = "there are none"
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		switch n := len(v[name]); {
		case !slices.Contains(known, name):
			bad = append(bad, FieldError{Pointer: name, Code: "unknown_parameter", Detail: "unknown parameter; " + are})
		case n > 1 && name != "without":
			bad = append(bad, FieldError{Pointer: name, Code: "repeated_parameter", Detail: fmt.Sprintf("given %d times", n)})
		}
	}
	return bad
}
