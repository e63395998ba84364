package registry

import (
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
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

// set changes a setting of a subject, or of all, and says so for the audit.
func (r *Registry) set(req *http.Request, name string, c command) error {
	before, _ := r.state.rules(name)
	_, err := r.do(req.Context(), name, c)
	if err == nil {
		after, _ := r.state.rules(name)
		httpx.Changed(req.Context(), before, after)
	}
	return err
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
	return b, r.set(req, name, command{Op: opSetLevel, Level: b.Level})
}

func (r *Registry) deleteLevel(req *http.Request) (any, error) {
	name, have, err := r.settingsOf(req)
	if err != nil {
		return nil, err
	}
	if have.Level == "" {
		return nil, noSubject(name)
	}
	return levelBody{have.Level}, r.set(req, name, command{Op: opSetLevel})
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
	return b, r.set(req, name, command{Op: opSetMode, Mode: b.Mode})
}

func (r *Registry) deleteMode(req *http.Request) (any, error) {
	name, have, err := r.settingsOf(req)
	if err != nil {
		return nil, err
	}
	if have.Mode == "" {
		return nil, noSubject(name)
	}
	return modeBody{have.Mode}, r.set(req, name, command{Op: opSetMode})
}
