package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

func (r *Registry) getTypes(*http.Request) (any, error) { return Types, nil }

func (r *Registry) getContexts(*http.Request) (any, error) { return []string{"."}, nil }

// byID returns the schema of the id in the path. One that no subject has any more is not shown, though records still find it.
func (r *Registry) byID(req *http.Request) (*Schema, error) {
	id, err := strconv.ParseUint(req.PathValue("id"), 10, 31)
	if err != nil || id == 0 {
		return nil, faultf(http.StatusBadRequest, "The id of a schema is a number from 1 to 2147483647")
	}
	x, ok := r.state.Schema(uint32(id))
	if !ok || len(r.state.uses(x.ID, true)) == 0 {
		return nil, noSchema(uint32(id))
	}
	return x, nil
}

func (r *Registry) getID(req *http.Request) (any, error) {
	x, err := r.byID(req)
	if err != nil {
		return nil, err
	}
	return schemaShown{SchemaType: typeShown(x.Type), Schema: x.Text}, nil
}

func (r *Registry) getIDText(req *http.Request) (any, error) {
	x, err := r.byID(req)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(x.Text), nil
}

// usesOf lists where the schema in the path stands.
func (r *Registry) usesOf(req *http.Request) ([]Version, error) {
	x, err := r.byID(req)
	if err != nil {
		return nil, err
	}
	deleted, err := flag(req, "deleted")
	if err != nil {
		return nil, err
	}
	return r.state.uses(x.ID, deleted), nil
}

func (r *Registry) getIDVersions(req *http.Request) (any, error) {
	uses, err := r.usesOf(req)
	out := make([]placeShown, len(uses))
	for i, v := range uses {
		out[i] = placeShown{v.Subject, v.Number}
	}
	return out, err
}

func (r *Registry) getIDSubjects(req *http.Request) (any, error) {
	uses, err := r.usesOf(req)
	out := []string{}
	for _, v := range uses {
		if !slices.Contains(out, v.Subject) {
			out = append(out, v.Subject)
		}
	}
	return out, err
}
