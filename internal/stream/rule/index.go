package rule

import (
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/expr"
)

// index finds the rules that an event may concern, by what their conditions say in plain equalities: its kind, and the text of a
// field. Thousands of rules about other models cost one look into a map.
type index struct {
	kinds [len(event.Kinds) + 1]kindIndex
}

type kindIndex struct {
	any    []int // rules without a literal
	fields []fieldIndex
}

type fieldIndex struct {
	field  event.Field
	byText map[string][]int
}

func newIndex(rules []*compiled, conditions []*expr.Expr) (x index) {
	for i, r := range rules {
		asked := []int{r.when}
		if r.when < 0 && r.Type == Sequence { // without a condition of its own it is about the events of its steps
			asked = r.steps
		}
		for _, condition := range asked {
			x.add(i, condition, conditions)
		}
	}
	return x
}

func (x *index) add(rule, condition int, conditions []*expr.Expr) {
	if condition < 0 {
		for _, k := range event.Kinds {
			x.kinds[k].put(rule, nil)
		}
		return
	}
	needs := conditions[condition].Needs()
	for _, k := range event.Kinds {
		if !needs.Never && (needs.Kind == event.NoKind || needs.Kind == k) {
			x.kinds[k].put(rule, needs.Of(k))
		}
	}
}

// put adds a rule that asks for the first of the literals, or for none.
func (x *kindIndex) put(rule int, literals []expr.Literal) {
	if len(literals) == 0 {
		x.any = append(x.any, rule)
		return
	}
	field, text := literals[0].Field, literals[0].Text
	for i := range x.fields {
		if x.fields[i].field == field {
			x.fields[i].byText[text] = append(x.fields[i].byText[text], rule)
			return
		}
	}
	x.fields = append(x.fields, fieldIndex{field, map[string][]int{text: {rule}}})
}

// find adds the rules that e may concern to out. One that asks in several ways may be there several times.
func (x *index) find(e *event.Event, out []int) []int {
	k := &x.kinds[e.Kind]
	out = append(out, k.any...)
	for i := range k.fields {
		out = append(out, k.fields[i].byText[e.Text(k.fields[i].field)]...)
	}
	return out
}
