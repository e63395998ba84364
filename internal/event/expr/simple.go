package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// simple is a conjunction of the simplest of questions: is a field there, does it equal a constant, is it larger than a number. Most
// conditions are no more, and answering them without CEL costs a twentieth. What it cannot say for certain it leaves to CEL.
type simple struct {
	whole bool // the expression is nothing else
	parts []part
}

type part struct {
	field event.Field
	kinds uint8  // that have the field
	op    string // operators.*, or "has"
	text  string
	num   float64
}

type answer uint8

const (
	no answer = iota
	yes
	unsure
)

// holds answers for an event that has passed the guard, which has asked for its kind.
func (p *simple) holds(e *event.Event) answer {
	if !p.whole {
		return unsure
	}
	all := yes
	for i := range p.parts {
		switch p.parts[i].holds(e) {
		case no:
			return no
		case unsure:
			all = unsure
		}
	}
	return all
}

func (q *part) holds(e *event.Event) answer {
	if q.kinds>>e.Kind&1 == 0 { // it may be among the fields that the catalogue does not know
		return unsure
	}
	if !e.Has(q.field) {
		if q.op == "has" {
			return no
		}
		return unsure // no match, but CEL says why
	}
	switch event.Catalogue[q.field].Type {
	case event.Text:
		return sure(q.op == "has" || e.Text(q.field) == q.text)
	case event.Number:
		return q.compare(e.Float(q.field))
	case event.Duration:
		return q.compare(float64(e.Int(q.field)) / 1e6)
	case event.Money:
		return q.compare(float64(e.Int(q.field)) / 1e9)
	}
	if n := e.Int(q.field); n > -1<<53 && n < 1<<53 {
		return q.compare(float64(n))
	}
	return unsure
}

func (q *part) compare(v float64) answer {
	switch q.op {
	case operators.Equals:
		return sure(v == q.num)
	case operators.Less:
		return sure(v < q.num)
	case operators.LessEquals:
		return sure(v <= q.num)
	case operators.Greater:
		return sure(v > q.num)
	case operators.GreaterEquals:
		return sure(v >= q.num)
	}
	return sure(q.op == "has")
}

func sure(holds bool) answer {
	if holds {
		return yes
	}
	return no
}

// simpleOf reads an expression; whole is false when it holds something else than plain questions.
func simpleOf(root ast.Expr) simple {
	p := simple{whole: true}
	p.walk(root)
	return p
}

func (p *simple) walk(x ast.Expr) {
	if x.Kind() == ast.SelectKind && x.AsSelect().IsTestOnly() {
		p.put(append(pathOf(x.AsSelect().Operand()), x.AsSelect().FieldName()), "has", nil)
		return
	}
	if x.Kind() != ast.CallKind {
		p.whole = false
		return
	}
	call := x.AsCall()
	switch op := call.FunctionName(); op {
	case operators.LogicalAnd:
		for _, arg := range call.Args() {
			p.walk(arg)
		}
	case operators.Equals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		if literal := call.Args()[1]; literal.Kind() == ast.LiteralKind {
			p.put(pathOf(call.Args()[0]), op, literal.AsLiteral())
			return
		}
		p.whole = false
	default:
		p.whole = false
	}
}

// put adds a question about the field at path.
func (p *simple) put(path []string, op string, literal any) {
	if len(path) > 1 && path[0] == "event" {
		path = path[1:]
	}
	if _, text := literal.(types.String); text && op == operators.Equals && len(path) == 1 && path[0] == "event_type" {
		return // the guard asks for it
	}
	if len(path) != 2 || path[0] != "data" {
		p.whole = false
		return
	}
	f, known := byName[path[1]]
	if !known {
		p.whole = false
		return
	}
	q := part{field: f, op: op}
	for _, k := range event.Catalogue[f].Kinds {
		q.kinds |= 1 << k
	}
	p.whole = p.whole && (op == "has" || q.constant(literal))
	p.parts = append(p.parts, q)
}

// constant takes a literal over if it is of the field's type.
func (q *part) constant(literal any) bool {
	switch typ := event.Catalogue[q.field].Type; v := literal.(type) {
	case types.String:
		q.text = string(v)
		return typ == event.Text && q.op == operators.Equals
	case types.Bool:
		if v {
			q.num = 1
		}
		return typ == event.Boolean && q.op == operators.Equals
	case types.Int:
		q.num = float64(v)
		return typ != event.Text && typ != event.Boolean && v > -1<<53 && v < 1<<53
	case types.Double:
		q.num = float64(v)
		return typ != event.Text && typ != event.Boolean
	}
	return false
}
