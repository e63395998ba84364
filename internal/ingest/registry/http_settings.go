package registry

import (
	"net/http"
)

// settingsOf are the settings of the subject in the path: its own, or those that hold when the request asks for these.
func (r *Registry) settingsOf(req *http.Request) (name string, out settings, err error) {
	if name, err = subjectOf(req); err != nil {
		return name, out, err
	}
	all, err := flag(req, "defaultToGlobal")
	own, hold := r.state.rules(name)
	if all {
		return name, hold, err
	}
	return name, own, err
}

func (r *Registry) getLevel(req *http.Request) (any, error) {
	name, have, err := r.settingsOf(req)
	if err == nil && have.Level == "" {
		err = faultf(CodeNoLevel, "Subject '%s' does not have subject-level compatibility configured", clip(name))
	}
	return levelShown{have.Level}, err
}

func (r *Registry) putLevel(req *http.Request) (any, error) {
	name, err := subjectOf(req)
	if err != nil {
		return nil, err
	}
	var b levelBody
	if err := read(req, &b); err != nil {
		return nil, err
	}
	if !b.Level.known() {
		return nil, faultf(CodeBadLevel, "Invalid compatibility level. Valid values are NONE, BACKWARD, FORWARD, FULL, BACKWARD_TRANSITIVE, FORWARD_TRANSITIVE, and FULL_TRANSITIVE")
	}
	_, err = r.do(req.Context(), name, command{Op: opSetLevel, Level: b.Level})
	return b, err
}

func (r *Registry) deleteLevel(req *http.Request) (any, error) {
	name, have, err := r.settingsOf(req)
	if err != nil {
		return nil, err
	}
	if have.Level == "" {
		return nil, noSubject(name)
	}
	_, err = r.do(req.Context(), name, command{Op: opSetLevel})
	return levelBody{have.Level}, err
}

func (r *Registry) getMode(req *http.Request) (any, error) {
	name, have, err := r.settingsOf(req)
	if err == nil && have.Mode == "" {
		err = faultf(CodeNoMode, "Subject '%s' does not have subject-level mode configured", clip(name))
	}
	return modeBody{have.Mode}, err
}

func (r *Registry) putMode(req *http.Request) (any, error) {
	name, err := subjectOf(req)
	if err != nil {
		return nil, err
	}
	var b modeBody
	if err := read(req, &b); err != nil {
		return nil, err
	}
	if b.Mode != ReadWrite && b.Mode != ReadOnly {
		return nil, faultf(CodeBadMode, "Invalid mode. Valid values are READWRITE and READONLY")
	}
	_, err = r.do(req.Context(), name, command{Op: opSetMode, Mode: b.Mode})
	return b, err
}

func (r *Registry) deleteMode(req *http.Request) (any, error) {
	name, have, err := r.settingsOf(req)
	if err != nil {
		return nil, err
	}
	if have.Mode == "" {
		return nil, noSubject(name)
	}
	_, err = r.do(req.Context(), name, command{Op: opSetMode})
	return modeBody{have.Mode}, err
}
