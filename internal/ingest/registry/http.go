package registry

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// MediaType is that of the registry's answers.
const MediaType = "application/vnd.schemaregistry.v1+json"

// accepted are the media types that a request may have; none counts as the first.
var accepted = []string{MediaType, "application/vnd.schemaregistry+json", "application/json", "application/octet-stream"}

const maxBody = 2 << 20

// What goes over the wire.
type (
	schemaBody struct {
		Schema     string `json:"schema"`
		SchemaType Type   `json:"schemaType,omitempty"`
		References []any  `json:"references,omitempty"`
	}
	schemaShown struct {
		Subject    string `json:"subject,omitempty"`
		ID         uint32 `json:"id,omitempty"`
		Version    int    `json:"version,omitempty"`
		SchemaType Type   `json:"schemaType,omitempty"` // left out for AVRO, as in the protocol
		Schema     string `json:"schema"`
	}
	idShown struct {
		ID uint32 `json:"id"`
	}
	placeShown struct {
		Subject string `json:"subject"`
		Version int    `json:"version"`
	}
	levelBody struct {
		Level Level `json:"compatibility"`
	}
	levelShown struct {
		Level Level `json:"compatibilityLevel"`
	}
	modeBody struct {
		Mode Mode `json:"mode"`
	}
	verdict struct {
		Compatible bool     `json:"is_compatible"`
		Messages   []string `json:"messages,omitempty"`
	}
)

func shown(v Version) schemaShown {
	return schemaShown{Subject: v.Subject, ID: v.Schema.ID, Version: v.Number, SchemaType: typeShown(v.Schema.Type), Schema: v.Schema.Text}
}

func typeShown(t Type) Type {
	if t == Avro {
		return ""
	}
	return t
}

// Mount adds the registry's paths.
func (r *Registry) Mount(m *httpx.Mux) {
	subject := httpx.InPath("subject", "what the schema is for, mostly a topic with -key or -value", httpx.Schema{"type": "string", "minLength": 1, "maxLength": maxSubject, "pattern": `^[^\x00-\x1f\x7f-\x9f]+$`})
	version := httpx.InPath("version", "a number, or latest", httpx.Schema{"anyOf": []httpx.Schema{httpx.Whole(1, 1<<31-1), httpx.OneOf("latest", "-1")}})
	id := httpx.InPath("id", "id of a schema", httpx.Whole(1, 1<<31-1))
	deleted := httpx.Query("deleted", "true = also what is softly deleted", httpx.Flag())
	permanent := httpx.Query("permanent", "true = for good; softly before", httpx.Flag())
	body := []httpx.Option{httpx.Body(MediaType, "application/json"), httpx.BodyOf(bodyDoc), httpx.Answer("415", "another content type"), httpx.Answer("413", "too large"), httpx.Answer("422", "not a schema, or a wrong value")}
	texts, numbers := httpx.List(httpx.Schema{"type": "string"}), httpx.List(httpx.Schema{"type": "integer"})
	add := func(pattern string, h handler, what string, answer any, more ...httpx.Option) {
		opts := []httpx.Option{httpx.Doc(what), httpx.Faults(MediaType, Fault{}), httpx.AnswerAs("200", MediaType, "done", answer), httpx.Answer("400", "a wrong parameter or body"), httpx.Answer("503", "the brokers cannot be asked now")}
		m.HandleFunc(pattern, r.serve(h), append(opts, more...)...)
	}
	with := func(opts ...httpx.Option) []httpx.Option { return append(slices.Clone(body), opts...) }
	notFound, conflict := httpx.Answer("404", "not there"), httpx.Answer("409", "not compatible")

	add("GET /subjects", r.getSubjects, "Lists the subjects of the schema registry.", texts, deleted, httpx.Query("subjectPrefix", "only those that begin with it"))
	add("GET /subjects/{subject}/versions", r.getVersions, "Lists the versions of a subject.", numbers, subject, deleted, notFound)
	add("GET /subjects/{subject}/versions/{version}", r.getVersion, "Shows a version of a subject.", schemaShown{}, subject, version, deleted, notFound, httpx.Answer("422", "a wrong version"))
	add("GET /subjects/{subject}/versions/{version}/schema", r.getVersionText, "Shows the schema of a version alone.", httpx.Schema{}, subject, version, deleted, notFound, httpx.Answer("422", "a wrong version"))
	add("GET /subjects/{subject}/versions/{version}/referencedby", r.getReferences, "Lists the schemas that refer to a version: none, references are not supported.", numbers, subject, version, notFound, httpx.Answer("422", "a wrong version"))
	add("POST /subjects/{subject}/versions", r.postVersion, "Registers a schema under a subject, if it is compatible.", idShown{}, with(subject, conflict)...)
	add("POST /subjects/{subject}", r.lookUp, "Tells under which version a subject has a schema.", schemaShown{}, with(httpx.Needs(httpx.Read), subject, deleted, notFound)...)
	add("DELETE /subjects/{subject}", r.deleteSubject, "Deletes a subject, softly or for good.", numbers, subject, permanent, notFound, httpx.Answer("422", "read only"))
	add("DELETE /subjects/{subject}/versions/{version}", r.deleteVersion, "Deletes a version, softly or for good.", httpx.Schema{"type": "integer"}, subject, version, permanent, notFound, httpx.Answer("422", "a wrong version, or read only"))

	add("GET /schemas/types", r.getTypes, "Lists the types of schemas that are taken.", texts)
	add("GET /schemas/ids/{id}", r.getID, "Shows a schema by its id.", schemaShown{}, id, notFound)
	add("GET /schemas/ids/{id}/schema", r.getIDText, "Shows a schema alone, by its id.", httpx.Schema{}, id, notFound)
	add("GET /schemas/ids/{id}/versions", r.getIDVersions, "Lists where a schema stands.", httpx.List(placeShown{}), id, deleted, notFound)
	add("GET /schemas/ids/{id}/subjects", r.getIDSubjects, "Lists the subjects that have a schema.", texts, id, deleted, notFound)

	add("GET /config", r.getLevel, "Shows the level of compatibility of all subjects.", levelShown{})
	add("PUT /config", r.putLevel, "Sets the level of compatibility of all subjects.", levelBody{}, with(httpx.BodyOf(levelDoc))...)
	add("DELETE /config", r.deleteLevel, "Sets the level of all subjects back to BACKWARD.", levelBody{})
	add("GET /config/{subject}", r.getLevel, "Shows the level of a subject.", levelShown{}, subject, httpx.Query("defaultToGlobal", "true = that of all where it has none", httpx.Flag()), notFound)
	add("PUT /config/{subject}", r.putLevel, "Sets the level of a subject.", levelBody{}, with(subject, httpx.BodyOf(levelDoc))...)
	add("DELETE /config/{subject}", r.deleteLevel, "Takes the level of a subject away, so that that of all holds.", levelBody{}, subject, notFound)
	add("POST /compatibility/subjects/{subject}/versions/{version}", r.test, "Compares a schema with a version, by the subject's level, and registers nothing.", verdict{}, with(httpx.Needs(httpx.Read), subject, version, httpx.Query("verbose", "true = with reasons", httpx.Flag()), notFound)...)
	add("POST /compatibility/subjects/{subject}/versions", r.test, "Compares a schema with those that the subject's level names.", verdict{}, with(httpx.Needs(httpx.Read), subject, httpx.Query("verbose", "true = with reasons", httpx.Flag()), notFound)...)
	add("GET /mode", r.getMode, "Shows whether schemas may be registered.", modeBody{})
	add("PUT /mode", r.putMode, "Sets whether schemas may be registered.", modeBody{}, with(httpx.BodyOf(modeDoc))...)
	add("GET /mode/{subject}", r.getMode, "Shows whether schemas may be registered under a subject.", modeBody{}, subject, httpx.Query("defaultToGlobal", "true = that of all where it has none", httpx.Flag()), notFound)
	add("PUT /mode/{subject}", r.putMode, "Sets whether schemas may be registered under a subject.", modeBody{}, with(subject, httpx.BodyOf(modeDoc))...)
	add("DELETE /mode/{subject}", r.deleteMode, "Takes the mode of a subject away, so that that of all holds.", modeBody{}, subject, notFound)
	add("GET /contexts", r.getContexts, "Lists the contexts: there is one.", texts)
}

var (
	bodyDoc = httpx.Schema{"type": "object", "required": []string{"schema"}, "properties": map[string]any{
		"schema":     httpx.Schema{"type": "string", "minLength": 1, "maxLength": MaxSchema, "description": "text of the schema"},
		"schemaType": httpx.Schema{"type": "string", "enum": Types, "default": Avro},
		"references": httpx.Schema{"type": "array", "maxItems": 0, "items": httpx.Schema{}, "description": "not supported"},
	}}
	levelDoc = httpx.Schema{"type": "object", "required": []string{"compatibility"}, "properties": map[string]any{"compatibility": httpx.Schema{"type": "string", "enum": Levels}}}
	modeDoc  = httpx.Schema{"type": "object", "required": []string{"mode"}, "properties": map[string]any{"mode": httpx.Schema{"type": "string", "enum": []Mode{ReadWrite, ReadOnly}}}}
)

// handler answers with a value or with an error, mostly a Fault.
type handler func(*http.Request) (any, error)

func (r *Registry) serve(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		err := r.settled(req.Context())
		var answer any
		if err == nil {
			answer, err = h(req)
		}
		if err == nil {
			reply(w, http.StatusOK, answer)
			return
		}
		f, ok := errors.AsType[*Fault](err)
		if !ok {
			r.logger.Error("schema registry failed", "path", req.URL.Path, "error", err)
			f = faultf(http.StatusInternalServerError, "The request failed")
		}
		if f.Code == CodeAway {
			w.Header().Set("Retry-After", "1")
		}
		reply(w, f.Status(), f)
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error_code":500,"message":"The answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone: nobody to tell
}

// read reads the body of a request.
func read(req *http.Request, into any) error {
	if ct := req.Header.Get("Content-Type"); ct != "" {
		if t, _, err := mime.ParseMediaType(ct); err != nil || !slices.Contains(accepted, t) {
			return faultf(http.StatusUnsupportedMediaType, "Content-Type %s is not supported; use %s", clip(ct), MediaType)
		}
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody+1))
	switch {
	case err != nil:
		return faultf(http.StatusBadRequest, "The body could not be read: %v", err)
	case len(body) > maxBody:
		return faultf(http.StatusRequestEntityTooLarge, "The body has more than %d bytes", maxBody)
	}
	if err := json.Unmarshal(body, into); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return faultf(http.StatusUnprocessableEntity, "The body has a value of a wrong type: %v", err)
		}
		return faultf(http.StatusBadRequest, "The body is not JSON: %v", err)
	}
	if string(body[:min(len(body), 4)]) == "null" {
		return faultf(http.StatusUnprocessableEntity, "The body is null; an object is asked for")
	}
	return nil
}

func flag(req *http.Request, name string) (bool, error) {
	values, given := req.URL.Query()[name]
	if !given {
		return false, nil
	}
	v, err := strconv.ParseBool(strings.ToLower(values[0]))
	if err != nil || len(values) > 1 {
		return false, faultf(http.StatusBadRequest, "%s must be true or false", name)
	}
	return v, nil
}

// subjectOf is the subject in the path; "" where the path has none.
func subjectOf(req *http.Request) (string, error) {
	if !strings.Contains(req.Pattern, "{subject}") {
		return "", nil
	}
	name := req.PathValue("subject")
	if f := badSubject(name); f != nil {
		return "", f
	}
	return name, nil
}

// named is the subject in the path, and whether a flag is set.
func named(req *http.Request, which string) (name string, set bool, err error) {
	if name, err = subjectOf(req); err == nil {
		set, err = flag(req, which)
	}
	return name, set, err
}

func schemaOf(req *http.Request) (b schemaBody, err error) {
	if err = read(req, &b); err == nil && len(b.References) > 0 {
		err = faultf(CodeBadSchema, "References to other subjects are not supported; write what they hold into the schema")
	}
	if err == nil && b.Schema == "" {
		err = faultf(CodeBadSchema, "Empty schema; give its text in \"schema\"")
	}
	return b, err
}
