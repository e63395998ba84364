package expr

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Bounds of an expression. The cost is counted in CEL's own units, about one for each step.
const (
	MaxSource = 4096 // bytes
	maxDepth  = 32
	maxNodes  = 512
	maxCost   = 20_000
	maxRegex  = 1000 // instructions of a compiled pattern
)

// Expr is a condition on an event. It is safe for concurrent use.
type Expr struct {
	source  string
	program cel.Program
	guard   guard
	simple  simple
	strange []string
}

// Error says where the text of an expression is wrong.
type Error struct {
	Line, Column int // from 1; 0 when the fault has no place
	Detail       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Detail
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

var environment = sync.OnceValues(func() (*cel.Env, error) {
	data := cel.MapType(cel.StringType, cel.DynType)
	return cel.NewEnv(
		cel.Variable("event_id", cel.StringType),
		cel.Variable("event_type", cel.StringType),
		cel.Variable("timestamp", cel.TimestampType),
		cel.Variable("source", cel.StringType),
		cel.Variable("schema_version", cel.StringType),
		cel.Variable("correlation_id", cel.StringType),
		cel.Variable("data", data),
		cel.Variable("metadata", data),
		cel.Variable("event", data),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(MaxSource),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegex),
	)
})

// Compile checks source and makes it ready. The error is an *Error.
func Compile(source string) (*Expr, error) {
	switch {
	case strings.TrimSpace(source) == "":
		return nil, &Error{Detail: "the expression is empty"}
	case len(source) > MaxSource:
		return nil, &Error{Detail: fmt.Sprintf("the expression has %d bytes, at most %d are taken", len(source), MaxSource)}
	}
	env, err := environment()
	if err != nil {
		return nil, &Error{Detail: err.Error()}
	}
	checked, issues := env.Compile(source)
	if err := issues.Err(); err != nil {
		return nil, faultOf(issues)
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, &Error{Detail: fmt.Sprintf("the expression gives %s, a condition gives bool", t)}
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return nil, &Error{Detail: err.Error()}
	}
	root := checked.NativeRep().Expr()
	return &Expr{source: source, program: program, guard: guardOf(root), simple: simpleOf(root), strange: strangers(root)}, nil
}

func faultOf(issues *cel.Issues) *Error {
	first := issues.Errors()[0]
	out := &Error{Detail: first.Message}
	if first.Location.Line() > 0 {
		out.Line, out.Column = first.Location.Line(), first.Location.Column()+1
	}
	return out
}

// String returns the text of the expression.
func (x *Expr) String() string { return x.source }

// Strange lists the fields of data that the expression names and the catalogue of fields does not know, each with the
// nearest known name where one is near: they may be a producer's own, or misspelt.
func (x *Expr) Strange() []string { return x.strange }

// ErrNotBool says that an expression gave something else than true or false.
var ErrNotBool = errors.New("the expression gave no bool")

// Matches tells whether the event is one of those that the expression means. With an error it is not.
func (x *Expr) Matches(e *event.Event) (bool, error) {
	if !x.guard.passes(e) {
		return false, nil
	}
	if answer := x.simple.holds(e); answer != unsure {
		return answer == yes, nil
	}
	s := scopes.Get().(*scope)
	s.e, s.data.e = e, e
	v, _, err := x.program.Eval(s)
	s.reset()
	scopes.Put(s)
	if err != nil {
		return false, err
	}
	b, ok := v.Value().(bool)
	if !ok {
		return false, ErrNotBool
	}
	return b, nil
}
