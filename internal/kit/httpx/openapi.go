package httpx

import (
	"regexp"
	"slices"
	"strings"
)

// Route is what a mux knows of one endpoint.
type Route struct {
	Method, Path string
	Summary      string
	Params       []Param
	Body         string // media types of the request body, separated by commas
	Answers      map[string]string
	Hidden       bool
	stream       bool
}

// Param is a query parameter or header.
type Param struct {
	Name, In, Doc string
	Required      bool
}

// Option describes a route.
type Option func(*Route)

// Doc says in one sentence what the endpoint does.
func Doc(summary string) Option { return func(r *Route) { r.Summary = summary } }

// Query describes a query parameter.
func Query(name, doc string) Option {
	return func(r *Route) { r.Params = append(r.Params, Param{Name: name, In: "query", Doc: doc}) }
}

// Header describes a request header.
func Header(name, doc string) Option {
	return func(r *Route) { r.Params = append(r.Params, Param{Name: name, In: "header", Doc: doc}) }
}

// Body names the media types that the endpoint takes.
func Body(types ...string) Option { return func(r *Route) { r.Body = strings.Join(types, ",") } }

// Answer describes one status ("202") of the endpoint; without any, 200 is described.
func Answer(status, doc string) Option {
	return func(r *Route) {
		if r.Answers == nil {
			r.Answers = map[string]string{}
		}
		r.Answers[status] = doc
	}
}

// Stream marks an endpoint whose answer has no end: HEAD answers at once, and its duration is not measured.
func Stream() Option { return func(r *Route) { r.stream = true } }

// Hidden leaves the route out of /openapi.json and /docs.
func Hidden() Option { return func(r *Route) { r.Hidden = true } }

type object = map[string]any

var pathParam = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

// openapi describes the routes as OpenAPI 3.1.
func openapi(s Service, routes []Route) object {
	paths, ids := object{}, map[string]bool{}
	for _, rt := range routes {
		if rt.Hidden || rt.Method == "" {
			continue
		}
		path := pathParam.ReplaceAllString(strings.TrimSuffix(rt.Path, "{$}"), "{$1}")
		ops, _ := paths[path].(object)
		if ops == nil {
			ops = object{}
			paths[path] = ops
		}
		ops[strings.ToLower(rt.Method)] = operation(rt, ids)
	}
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": s.title(), "version": s.version(), "description": s.Description},
		"paths":   paths,
		"components": object{"schemas": object{"Problem": object{
			"type": "object", "description": "Error of RFC 9457.", "required": []string{"type", "title", "status"},
			"properties": object{
				"type": object{"type": "string"}, "title": object{"type": "string"}, "status": object{"type": "integer"},
				"detail": object{"type": "string"}, "instance": object{"type": "string"},
				"errors": object{"type": "array", "items": object{"type": "object", "properties": object{
					"pointer": object{"type": "string"}, "code": object{"type": "string"}, "detail": object{"type": "string"}}}},
			},
		}}},
	}
}

func operation(rt Route, ids map[string]bool) object {
	op := object{"operationId": operationID(rt, ids), "responses": responses(rt)}
	if rt.Summary != "" {
		op["summary"] = rt.Summary
	}
	var params []object
	for _, m := range pathParam.FindAllStringSubmatch(rt.Path, -1) {
		params = append(params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range rt.Params {
		params = append(params, object{"name": p.Name, "in": p.In, "required": p.Required, "description": p.Doc, "schema": object{"type": "string"}})
	}
	if params != nil {
		op["parameters"] = params
	}
	if rt.Body != "" {
		content := object{}
		for t := range strings.SplitSeq(rt.Body, ",") {
			content[strings.TrimSpace(t)] = object{}
		}
		op["requestBody"] = object{"content": content}
	}
	return op
}

func responses(rt Route) object {
	out := object{"default": object{"description": "error", "content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}}
	for status, doc := range rt.Answers {
		out[status] = object{"description": doc}
	}
	if len(rt.Answers) == 0 {
		out["200"] = object{"description": "done"}
	}
	return out
}

// operationID makes getTopicsName of GET /topics/{name}, with a number where two would be equal.
func operationID(rt Route, ids map[string]bool) string {
	var b strings.Builder
	b.WriteString(strings.ToLower(rt.Method))
	for _, word := range strings.FieldsFunc(rt.Path, func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	id := b.String()
	for n := byte('2'); ids[id]; n++ {
		id = b.String() + string(n)
	}
	ids[id] = true
	return id
}

// statuses are the described answers of a route, in order.
func (r Route) statuses() []string {
	var out []string
	for s := range r.Answers {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}
