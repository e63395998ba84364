package ingest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/api"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// envelope is the name of the schema that all kinds share.
const envelope = "envelope"

// SchemaInfo is one schema of the product's own events, as GET /schemas lists it.
type SchemaInfo struct {
	Name     string `json:"event_type"` // or "envelope"
	Topic    string `json:"topic,omitempty"`
	Version  int    `json:"version"` // the newest
	Versions []int  `json:"versions"`
	URL      string `json:"url"`
}

// schemaPage is GET /schemas.
type schemaPage struct {
	Schemas []SchemaInfo `json:"schemas"`
	Next    *string      `json:"next_cursor"`
}

// Verdict is the answer of POST /schemas/{event_type}/validate.
type Verdict struct {
	Valid  bool               `json:"valid"`
	Errors []httpx.FieldError `json:"errors"`
}

func (a *API) mountSchemas(m *httpx.Mux) {
	const jsonSchema = "application/schema+json"
	kind := httpx.InPath("event_type", "a kind of event in any spelling, or envelope", httpx.Text(1, 64))
	number := httpx.InPath("version", "a number", httpx.Whole(1, 1_000_000))
	missing, same := httpx.Answer("404", "no such event type or version"), httpx.SameForEveryTenant()
	m.HandleFunc("GET /schemas", a.getSchemas, httpx.Doc("Lists the JSON Schemas of the product's own events."), httpx.Paging(), same, httpx.Answer("200", "the schemas", schemaPage{}))
	m.HandleFunc("GET /schemas/{event_type}", a.getSchema, httpx.Doc("Shows the newest JSON Schema (2020-12) of an event type."), kind, same,
		httpx.AnswerAs("200", jsonSchema, "the schema", httpx.Schema{"type": "object"}), missing)
	// One wider pattern for both, because the registry's /schemas/ids/{id}/versions would clash with the exact ones.
	m.HandleFunc("GET /schemas/{event_type}/{rest...}", a.getSchemaVersion, httpx.Hidden())
	m.Describe("GET /schemas/{event_type}/versions", httpx.Doc("Lists the versions of a schema."), kind, httpx.Answer("200", "their numbers", SchemaInfo{}), missing)
	m.Describe("GET /schemas/{event_type}/versions/{version}", httpx.Doc("Shows one version of a schema, which never changes."), kind, number,
		httpx.AnswerAs("200", jsonSchema, "the schema", httpx.Schema{"type": "object"}), missing)
	m.HandleFunc("POST /schemas/{event_type}/validate", a.validate, httpx.Doc("Judges an event as POST /events would, and takes nothing in."), kind, same, httpx.Needs(httpx.Read),
		httpx.Body("application/json"), httpx.BodyOf(httpx.Schema{}), httpx.Answer("200", "the verdict", Verdict{}), missing, httpx.Answer("400", "the body was cut off"),
		httpx.Answer("413", "too large"), httpx.Answer("415", "another content type"))
}

func infoOf(name, topic string) SchemaInfo {
	versions := api.Versions(name)
	return SchemaInfo{Name: name, Topic: topic, Version: versions[len(versions)-1], Versions: versions, URL: "/schemas/" + name}
}

func (a *API) getSchemas(w http.ResponseWriter, r *http.Request) {
	p, err := paging(r)
	if err != nil {
		a.failed(w, r, err)
		return
	}
	all := []SchemaInfo{}
	for _, k := range event.Kinds {
		all = append(all, infoOf(k.String(), k.Topic()))
	}
	all = append(all, infoOf(envelope, ""))
	first := 0
	for p.after != "" && first < len(all) && all[first].Name != p.after {
		first++
	}
	if p.after != "" {
		first++
	}
	out := schemaPage{Schemas: all[min(first, len(all)):]}
	if len(out.Schemas) > p.limit {
		out.Schemas = out.Schemas[:p.limit]
		out.Next = cursor(out.Schemas[p.limit-1].Name)
	}
	httpx.JSON(w, http.StatusOK, out)
}

// schemaNamed is the name of a schema by any spelling of its event type; it answers 404 itself when there is none.
func schemaNamed(w http.ResponseWriter, r *http.Request) (string, bool) {
	name := r.PathValue("event_type")
	if name == envelope {
		return name, true
	}
	if k, ok := event.ParseKind(name); ok {
		return k.String(), true
	}
	httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no event type %q; GET /schemas lists them", clip(name)))
	return "", false
}

func (a *API) getSchema(w http.ResponseWriter, r *http.Request) {
	if name, ok := schemaNamed(w, r); ok {
		showSchema(w, r, name, event.SchemaVersion)
	}
}

func showSchema(w http.ResponseWriter, r *http.Request, name string, version int) {
	text, ok := api.Schema(name, version)
	if !ok {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no version %d of %s; GET /schemas/%s/versions lists them", version, name, name))
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the client is gone: nobody to tell
}

// getSchemaVersion answers below /schemas/{event_type}/: versions, or versions/n.
func (a *API) getSchemaVersion(w http.ResponseWriter, r *http.Request) {
	rest, given, one := strings.Cut(r.PathValue("rest"), "/")
	if rest != "versions" || one && strings.Contains(given, "/") {
		httpx.Problem(w, r, http.StatusNotFound, "no such path here; GET /docs lists them")
		return
	}
	name, ok := schemaNamed(w, r)
	switch {
	case !ok:
	case !one:
		k, _ := event.ParseKind(name)
		httpx.JSON(w, http.StatusOK, infoOf(name, k.Topic()))
	default:
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 {
			httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("%q is not a version; GET /schemas/%s/versions lists them", clip(given), name))
			return
		}
		showSchema(w, r, name, n)
	}
}

// validate judges one event by the parser that POST /events uses.
func (a *API) validate(w http.ResponseWriter, r *http.Request) {
	name, ok := schemaNamed(w, r)
	if !ok {
		return
	}
	body, ok := small(w, r)
	if !ok {
		return
	}
	out := Verdict{Errors: []httpx.FieldError{}}
	d := event.Decoder{Limits: a.settings().Event}
	var e event.Event
	bad := d.Decode(body, nil, &e)
	if bad == nil && name != envelope && e.Kind.String() != name {
		bad = &event.Invalid{Code: event.CodeKind, Pointer: "/event_type", Detail: fmt.Sprintf("this is a %s and not a %s; ask /schemas/%s/validate", e.Kind, name, e.Kind)}
	}
	if bad != nil {
		out.Errors = append(out.Errors, httpx.FieldError{Pointer: bad.Pointer, Code: bad.Code, Detail: bad.Detail})
	}
	out.Valid = bad == nil
	httpx.JSON(w, http.StatusOK, out)
}
