package event

import "github.com/hxp-enterprise/hxp/internal/kit/words"

// NearestField returns the name of the field that somebody who wrote name may have meant: the field of which it is an
// alias, or one that is a typing error or two away: one where the name is short, or every short name would be near another.
// It is one of events of kind k; NoKind = of any.
func NearestField(name string, k Kind) (string, bool) {
	if len(name) > 64 {
		return "", false
	}
	best, fewest := "", min(len(name)/3, 2)+1
	for f := range Catalogue {
		s := &Catalogue[f]
		if k != NoKind && !s.of(k) {
			continue
		}
		if s.called(name) {
			return s.Name, true
		}
		if d := words.Distance(name, s.Name); d < fewest {
			best, fewest = s.Name, d
		}
	}
	return best, best != ""
}
