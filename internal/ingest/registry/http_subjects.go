package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func (r *Registry) getSubjects(req *http.Request) (any, error) {
	deleted, err := flag(req, "deleted")
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, name := range r.state.names() {
		if _, ok := r.state.versions(name, deleted); ok && strings.HasPrefix(name, req.URL.Query().Get("subjectPrefix")) {
			out = append(out, name)
		}
	}
	return out, nil
}

// listed returns the versions of the subject in the path.
func (r *Registry) listed(req *http.Request) ([]Version, error) {
	name, deleted, err := named(req, "deleted")
	if err != nil {
		return nil, err
	}
	list, ok := r.state.versions(name, deleted)
	if !ok {
		return nil, noSubject(name)
	}
	return list, nil
}

func (r *Registry) getVersions(req *http.Request) (any, error) {
	list, err := r.listed(req)
	out := make([]int, len(list))
	for i, v := range list {
		out[i] = v.Number
	}
	return out, err
}

// one returns the version in the path.
func (r *Registry) one(req *http.Request) (Version, error) {
	name, deleted, err := named(req, "deleted")
	if err != nil {
		return Version{}, err
	}
	return r.version(name, req.PathValue("version"), deleted)
}

func (r *Registry) getVersion(req *http.Request) (any, error) {
	v, err := r.one(req)
	if err != nil {
		return nil, err
	}
	return shown(v), nil
}

func (r *Registry) getVersionText(req *http.Request) (any, error) {
	v, err := r.one(req)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(v.Schema.Text), nil
}

func (r *Registry) getReferences(req *http.Request) (any, error) {
	_, err := r.one(req)
	return []int{}, err
}

func (r *Registry) postVersion(req *http.Request) (any, error) {
	name, err := subjectOf(req)
	if err != nil {
		return nil, err
	}
	b, err := schemaOf(req)
	if err != nil {
		return nil, err
	}
	before := r.standing(name)
	v, err := r.Register(req.Context(), name, b.SchemaType, b.Schema)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(before, func(s standing) bool { return s.Version == v.Number && !s.Deleted }) {
		httpx.Unchanged(req.Context()) // clients register what they use again whenever they start
	} else {
		httpx.Changed(req.Context(), before, r.standing(name))
	}
	return idShown{v.Schema.ID}, nil
}

func (r *Registry) lookUp(req *http.Request) (any, error) {
	name, deleted, err := named(req, "deleted")
	if err != nil {
		return nil, err
	}
	b, err := schemaOf(req)
	if err != nil {
		return nil, err
	}
	x, err := r.read(name, b.SchemaType, b.Schema)
	if err != nil {
		return nil, err
	}
	if _, ok := r.state.versions(name, deleted); !ok {
		return nil, noSubject(name)
	}
	v, ok := r.state.find(name, x, deleted)
	if !ok {
		return nil, faultf(CodeNoSchema, "Schema not found")
	}
	return shown(v), nil
}

// standing is a version as the audit shows it: its schema is found by its id.
type standing struct {
	Version int    `json:"version"`
	ID      uint32 `json:"id"`
	Deleted bool   `json:"deleted,omitempty"` // softly
}

func (r *Registry) standing(name string) (out []standing) {
	list, _ := r.state.versions(name, true)
	for _, v := range list {
		out = append(out, standing{v.Number, v.Schema.ID, v.Deleted})
	}
	return out
}

// delete does a command that deletes, and says so for the audit.
func (r *Registry) delete(req *http.Request, name string, c command) (outcome, error) {
	before := r.standing(name)
	out, err := r.do(req.Context(), name, c)
	if err == nil {
		httpx.Changed(req.Context(), before, r.standing(name))
	}
	return out, err
}

func (r *Registry) deleteSubject(req *http.Request) (any, error) {
	name, permanent, err := named(req, "permanent")
	if err != nil {
		return nil, err
	}
	if _, ok := r.state.versions(name, true); !ok {
		return nil, noSubject(name)
	}
	out, err := r.delete(req, name, command{Op: opDeleteSubject, Permanent: permanent})
	return out.numbers, err
}

func (r *Registry) deleteVersion(req *http.Request) (any, error) {
	name, permanent, err := named(req, "permanent")
	if err != nil {
		return nil, err
	}
	n, latest, err := versionNumber(req.PathValue("version"))
	if err != nil {
		return nil, err
	}
	if _, ok := r.state.versions(name, true); !ok {
		return nil, noSubject(name)
	}
	if latest {
		v, err := r.version(name, "latest", permanent)
		if err != nil {
			return nil, err
		}
		n = v.Number
	}
	_, err = r.delete(req, name, command{Op: opDeleteVersion, Version: n, Permanent: permanent})
	return n, err
}

func (r *Registry) test(req *http.Request) (any, error) {
	name, verbose, err := named(req, "verbose")
	if err != nil {
		return nil, err
	}
	b, err := schemaOf(req)
	if err != nil {
		return nil, err
	}
	why, err := r.compatible(name, req.PathValue("version"), b.SchemaType, b.Schema)
	out := verdict{Compatible: len(why) == 0}
	if verbose {
		out.Messages = why
	}
	return out, err
}
