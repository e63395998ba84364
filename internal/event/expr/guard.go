package expr

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// guard is what must hold of an event for the whole expression to be true, as far as it can be told from the text: a
// conjunction of "this text field equals that". Most events fail here and cost no evaluation.
type guard struct {
	kind   event.Kind // NoKind = any
	never  bool       // the expression asks for an event_type that does not exist
	fields []equals
}

type equals struct {
	field event.Field
	kinds uint8 // bit k is set when Kind k has the field
	text  string
}

func (g *guard) passes(e *event.Event) bool {
	if g.never || g.kind != event.NoKind && g.kind != e.Kind {
		return false
	}
	for i := range g.fields {
		q := &g.fields[i]
		if e.Text(q.field) != q.text && (q.kinds>>e.Kind&1 == 1 || len(e.Extra) == 0) { // a kind without the field keeps it among the unknown ones
			return false
		}
	}
	return true
}

// guardOf walks the conjunctions at the top of an expression. In CEL a conjunction with a false side is false even when the
// other side fails, so a false equality settles it.
func guardOf(root ast.Expr) guard {
	var g guard
	var walk func(x ast.Expr)
	walk = func(x ast.Expr) {
		if x.Kind() != ast.CallKind {
			return
		}
		call := x.AsCall()
		switch call.FunctionName() {
		case operators.LogicalAnd:
			for _, arg := range call.Args() {
				walk(arg)
			}
		case operators.Equals:
			a, b := call.Args()[0], call.Args()[1]
			if a.Kind() == ast.LiteralKind {
				a, b = b, a
			}
			g.add(a, b)
		}
	}
	walk(root)
	return g
}

func (g *guard) add(name, literal ast.Expr) {
	if literal.Kind() != ast.LiteralKind {
		return
	}
	text, ok := literal.AsLiteral().(types.String)
	if !ok || text == "" { // an absent text reads as "" here
		return
	}
	path := pathOf(name)
	if len(path) > 1 && path[0] == "event" {
		path = path[1:]
	}
	switch {
	case slices.Equal(path, []string{"event_type"}):
		kind, known := event.ParseKind(string(text))
		if !known || kind.String() != string(text) || g.kind != event.NoKind && g.kind != kind {
			g.never = true
		}
		g.kind = kind
	case len(path) == 2 && path[0] == "data":
		if f, ok := byName[path[1]]; ok && event.Catalogue[f].Type == event.Text {
			q := equals{field: f, text: string(text)}
			for _, k := range event.Catalogue[f].Kinds {
				q.kinds |= 1 << k
			}
			g.fields = append(g.fields, q)
		}
	}
}

// pathOf returns ["data", "model"] for data.model and data["model"], nil for what is no such path.
func pathOf(x ast.Expr) []string {
	switch x.Kind() {
	case ast.IdentKind:
		return []string{x.AsIdent()}
	case ast.SelectKind:
		if s := x.AsSelect(); !s.IsTestOnly() {
			if p := pathOf(s.Operand()); p != nil {
				return append(p, s.FieldName())
			}
		}
	case ast.CallKind:
		call := x.AsCall()
		if call.FunctionName() != operators.Index || call.Args()[1].Kind() != ast.LiteralKind {
			return nil
		}
		if key, ok := call.Args()[1].AsLiteral().(types.String); ok {
			if p := pathOf(call.Args()[0]); p != nil {
				return append(p, string(key))
			}
		}
	}
	return nil
}

// strangers lists the fields of data in an expression that the catalogue does not know.
func strangers(root ast.Expr) []string {
	var out []string
	note := func(name string) {
		if _, ok := byName[name]; ok {
			return
		}
		text := fmt.Sprintf("data.%s is no field that is known", name)
		if near, ok := event.NearestField(name, event.NoKind); ok {
			text += fmt.Sprintf("; did you mean data.%s?", near)
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(x ast.Expr) {
		path := pathOf(x)
		if x.Kind() == ast.SelectKind && x.AsSelect().IsTestOnly() {
			path = append(pathOf(x.AsSelect().Operand()), x.AsSelect().FieldName())
		}
		if len(path) > 1 && path[0] == "event" {
			path = path[1:]
		}
		if len(path) == 2 && path[0] == "data" {
			note(path[1])
		}
	}))
	return out
}

// Needs is what an event must have for an expression to be true, as far as the text says it plainly. It serves to find, among
// many expressions, the few that an event may fulfil.
type Needs struct {
	Kind   event.Kind // NoKind = any
	Never  bool       // no event fulfils it
	fields []equals
}

// Literal says that a text field equals a text.
type Literal struct {
	Field event.Field
	Text  string
}

// Needs returns what x asks for plainly.
func (x *Expr) Needs() Needs { return Needs{x.guard.kind, x.guard.never, x.guard.fields} }

// Of lists the equalities that an event of kind k must fulfil. Fields that the kind has not by the catalogue are left out: an
// event may have them among those that the catalogue does not know.
func (n Needs) Of(k event.Kind) (out []Literal) {
	for _, q := range n.fields {
		if q.kinds>>k&1 == 1 {
			out = append(out, Literal{q.field, q.text})
		}
	}
	return out
}
