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
	Access       Access
	stream       bool
	asks         bool           // see ChangesNothing
	spare        bool           // the body may be left out
	body         any            // what the body is, see schemaOf
	bodies       map[string]any // media type → what the body is there, where it differs
	answers      map[string]any // status → what the answer is
	media        map[string]string
	faults       *media // of answers from 400 on; nil = a Problem
}

type media struct {
	mediaType string
	body      any
}

// Param is a parameter in the path, in the query or in a header.
type Param struct {
	Name, In, Doc string
	Required      bool
	schema        Schema
}

// Option describes a route.
type Option func(*Route)

// Doc says in one sentence what the endpoint does.
func Doc(summary string) Option { return func(r *Route) { r.Summary = summary } }

// Query describes a query parameter; without a schema it is a text.
func Query(name, doc string, is ...Schema) Option { return param("query", name, doc, is) }

// Header describes a request header; without a schema it is a text.
func Header(name, doc string, is ...Schema) Option { return param("header", name, doc, is) }

// InPath describes a parameter of the path; without a schema it is a text.
func InPath(name, doc string, is ...Schema) Option { return param("path", name, doc, is) }

func param(in, name, doc string, is []Schema) Option {
	p := Param{Name: name, In: in, Doc: doc, Required: in == "path", schema: usual(name, doc)}
	for _, s := range is {
		p.schema = s
	}
	return func(r *Route) { r.Params = append(r.Params, p) }
}

// Body names the media types that the endpoint takes.
func Body(types ...string) Option { return func(r *Route) { r.Body = strings.Join(types, ",") } }

// NoBodyNeeded says that the body may be left out.
func NoBodyNeeded() Option { return func(r *Route) { r.spare = true } }

// BodyOf describes the body by a value of its type, or by a Schema. Without Body it is application/json.
func BodyOf(v any) Option { return func(r *Route) { r.body = v } }

// BodyAs names one more media type, whose body is another than that of the others.
func BodyAs(mediaType string, v any) Option {
	return func(r *Route) {
		if r.bodies == nil {
			r.bodies = map[string]any{}
		}
		r.bodies[mediaType] = v
		if r.Body != "" {
			mediaType = r.Body + "," + mediaType
		}
		r.Body = mediaType
	}
}

// Answer describes one status ("202") of the endpoint; without any, 200 is described. A value shows the type of the answer's
// body; it may be a Schema. From 400 on the body is a Problem.
func Answer(status, doc string, body ...any) Option {
	return func(r *Route) {
		if r.Answers == nil {
			r.Answers, r.answers = map[string]string{}, map[string]any{}
		}
		r.Answers[status] = doc
		for _, v := range body {
			r.answers[status] = v
		}
	}
}

// AnswerAs is Answer for a media type other than application/json. One status may have several, that of an Answer among them.
func AnswerAs(status, mediaType, doc string, body ...any) Option {
	return func(r *Route) {
		_, asJSON := r.answers[status]
		Answer(status, doc, body...)(r)
		if r.media == nil {
			r.media = map[string]string{}
		}
		switch before := r.media[status]; {
		case before != "":
			mediaType = before + "," + mediaType
		case asJSON:
			mediaType = "application/json," + mediaType
		}
		r.media[status] = mediaType
	}
}

// Faults says what answers from 400 on are, where the endpoint speaks another protocol's language.
func Faults(mediaType string, body any) Option {
	return func(r *Route) { r.faults = &media{mediaType, body} }
}

// Stream marks an endpoint whose answer has no end: HEAD answers at once, and its duration is not measured.
func Stream() Option { return func(r *Route) { r.stream = true } }

// Hidden leaves the route out of /openapi.json and /docs.
func Hidden() Option { return func(r *Route) { r.Hidden = true } }

type object = map[string]any

var pathParam = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

// openapi describes the routes as OpenAPI 3.1.
func openapi(s Service, routes []Route) object {
	d := describer{schemas: object{}, ids: map[string]bool{}}
	paths := object{}
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
		ops[strings.ToLower(rt.Method)] = d.operation(rt)
	}
	d.of(ProblemBody{}) // also where no route names it
	components := object{"schemas": d.schemas}
	if asks(routes) {
		components["securitySchemes"] = object{"token": object{"type": "http", "scheme": "bearer", "description": "A token of hxp auth token create, where the installation asks for one (HXP_AUTH_TOKENS_FILE); the scopes of which one is enough stand beside each operation."}}
	}
	return object{
		"openapi":    "3.1.0",
		"info":       object{"title": s.title(), "version": s.version(), "description": s.Description},
		"servers":    []object{{"url": "/"}},
		"paths":      paths,
		"components": components,
	}
}

// describer gathers the named schemas of a document.
type describer struct {
	schemas object
	ids     map[string]bool
}

func (d *describer) operation(rt Route) object {
	op := object{"operationId": operationID(rt, d.ids), "responses": d.responses(rt)}
	if rt.Summary != "" {
		op["summary"] = rt.Summary
	}
	op["security"] = rt.Access.security()
	if rt.Access.Tenant.Knows() {
		op["x-tenants"] = "A token that is bound to a tenant sees this tenant alone."
	}
	if rt.changes(rt.Method) {
		op["x-audited"] = true
	}
	if params := parameters(rt); params != nil {
		op["parameters"] = params
	}
	types := rt.Body
	if types == "" && rt.body != nil {
		types = "application/json"
	}
	if types != "" {
		content := object{}
		for t := range strings.SplitSeq(types, ",") {
			t = strings.TrimSpace(t)
			body, differs := rt.bodies[t]
			if !differs {
				body = rt.body
			}
			content[t] = object{}
			if body != nil && isJSON(t) {
				content[t] = object{"schema": d.of(body)}
			}
		}
		op["requestBody"] = object{"content": content, "required": !rt.spare}
	}
	return op
}

func isJSON(mediaType string) bool {
	return strings.HasSuffix(mediaType, "json") && !strings.HasSuffix(mediaType, "ndjson")
}

func parameters(rt Route) []object {
	var params []object
	show := func(p Param) {
		params = append(params, object{"name": p.Name, "in": p.In, "required": p.Required, "description": p.Doc, "schema": p.schema})
	}
	for _, m := range pathParam.FindAllStringSubmatch(rt.Path, -1) {
		p := Param{Name: m[1], In: "path", Required: true, Doc: m[1], schema: Schema{"type": "string", "minLength": 1}}
		if i := slices.IndexFunc(rt.Params, func(p Param) bool { return p.In == "path" && p.Name == m[1] }); i >= 0 {
			p = rt.Params[i]
		}
		show(p)
	}
	for _, p := range rt.Params {
		if p.In != "path" {
			show(p)
		}
	}
	return params
}

func (d *describer) responses(rt Route) object {
	faults := media{"application/problem+json", ProblemBody{}}
	if rt.faults != nil {
		faults = *rt.faults
	}
	out := object{"default": d.response("error", faults.mediaType, faults.body)}
	if rt.faults != nil { // what is refused before the route is reached
		out["default"].(object)["content"].(object)["application/problem+json"] = object{"schema": d.of(ProblemBody{})}
	}
	for status, doc := range rt.Answers {
		body, given := rt.answers[status]
		types := rt.media[status]
		switch {
		case types == "" && given:
			types = "application/json"
		case types == "" && status >= "400":
			types, body, given = faults.mediaType, faults.body, true
		}
		if !given {
			body = nil
		}
		out[status] = d.response(doc, types, body)
	}
	if !slices.ContainsFunc(rt.statuses(), func(s string) bool { return s < "400" }) {
		out["200"] = object{"description": "done"} // else it would count as an error
	}
	return out
}

// response describes one answer; types may be several, of which those of JSON have the schema of body.
func (d *describer) response(doc, types string, body any) object {
	out := object{"description": doc}
	if types == "" {
		return out
	}
	content := object{}
	for t := range strings.SplitSeq(types, ",") {
		content[t] = object{}
		if body != nil && isJSON(t) {
			content[t] = object{"schema": d.of(body)}
		}
	}
	out["content"] = content
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
