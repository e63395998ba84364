package auth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Scopes is a set of scopes.
type Scopes uint8

// Of makes a set. Unknown scopes are none.
func Of(list ...httpx.Scope) (s Scopes) {
	for _, one := range list {
		if i := slices.Index(httpx.AllScopes, one); i >= 0 {
			s |= 1 << i
		}
	}
	return s
}

// ParseScopes reads names separated by commas.
func ParseScopes(text string) (s Scopes, err error) {
	if text == "" {
		return 0, fmt.Errorf("name one or more of %s", allScopes())
	}
	for name := range strings.SplitSeq(text, ",") {
		one := Of(httpx.Scope(strings.TrimSpace(name)))
		if one == 0 {
			return 0, fmt.Errorf("there is no scope %.40q; the scopes are %s", strings.TrimSpace(name), allScopes())
		}
		s |= one
	}
	return s, nil
}

func allScopes() string { return Of(httpx.AllScopes...).String() }

// List names the scopes of a set.
func (s Scopes) List() []string {
	out := []string{}
	for i, name := range httpx.AllScopes {
		if s>>i&1 != 0 {
			out = append(out, string(name))
		}
	}
	return out
}

func (s Scopes) String() string { return strings.Join(s.List(), ",") }

// Allows tells whether one of the wanted scopes is there. An administrator may look, and may act in an emergency; bringing events and deciding on
// proposals are given by name alone.
func (s Scopes) Allows(wanted []httpx.Scope) bool {
	have := s
	if s&Of(httpx.Admin) != 0 {
		have |= Of(httpx.Read, httpx.Act)
	}
	return have&Of(wanted...) != 0
}

// MarshalJSON writes a list of names.
func (s Scopes) MarshalJSON() ([]byte, error) { return json.Marshal(s.List()) }

// UnmarshalJSON reads a list of names.
func (s *Scopes) UnmarshalJSON(text []byte) error {
	var names []string
	if err := json.Unmarshal(text, &names); err != nil {
		return err
	}
	*s = 0
	for _, name := range names {
		one, err := ParseScopes(name)
		if err != nil {
			return err
		}
		*s |= one
	}
	return nil
}
