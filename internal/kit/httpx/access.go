package httpx

import (
	"net/http"
	"slices"
	"strings"
)

// Scope is a kind of thing that one may do.
type Scope string

// The scopes. A route needs one of them, see Access.
const (
	Ingest  Scope = "ingest"  // bring events
	Read    Scope = "read"    // look: every GET, and the streams
	Admin   Scope = "admin"   // change anything that has no scope of its own
	Act     Scope = "act"     // the kill switch, and taking back what was changed
	Approve Scope = "approve" // decide on proposals
)

// AllScopes in the order in which they are told.
var AllScopes = []Scope{Ingest, Read, Admin, Act, Approve}

// Access says who may reach a route. What a route does not say follows from its method: GET needs read, everything else admin, and who is
// bound to a tenant is refused.
type Access struct {
	// Open lets everybody in: the route says nothing of anybody, or has a way of its own to ask who it is.
	Open bool
	// Scopes are those of which one is enough; none = everybody who says who he is, because another service judges after this one.
	Scopes []Scope
	// Tenant says what becomes of who is bound to one.
	Tenant TenantRule
	// refuse answers in the language of the route; nil = a Problem.
	refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)
}

// TenantRule is how a route keeps tenants apart.
type TenantRule struct {
	// Aware: the handler itself keeps to the tenant of who asks.
	Aware bool
	// Query is the parameter that narrows the answer to one tenant. It is set to that of who asks, and Fixed to what it needs beside.
	Query string
	Fixed map[string]string
}

// Knows tells whether the route can keep tenants apart at all.
func (t TenantRule) Knows() bool { return t.Aware || t.Query != "" }

// Guard judges requests before their routes do.
type Guard interface {
	// Admit answers by itself and returns nil when a request must not go on, else it returns the request to go on with.
	Admit(w http.ResponseWriter, r *http.Request, a *Access) *http.Request
}

// Refuse answers in the language of the route.
func (a *Access) Refuse(w http.ResponseWriter, r *http.Request, status int, detail string) {
	if a.refuse != nil {
		a.refuse(w, r, status, detail)
		return
	}
	Problem(w, r, status, detail)
}

// Protect lets a guard judge every request, also those for which there is no route. Call it before the first request; nil lets everybody in.
func (m *Mux) Protect(g Guard) { m.doors = g }

// unrouted is what asking for a path that does not exist needs: to say who one is, so that strangers learn no names.
var unrouted = &Access{Tenant: TenantRule{Aware: true}}

// usualAccess is that of a route which says nothing.
func usualAccess(method, path string) Access {
	switch {
	case isHealth(path):
		return Access{Open: true}
	case method == http.MethodGet:
		return Access{Scopes: []Scope{Read}}
	}
	return Access{Scopes: []Scope{Admin}}
}

// Open lets everybody in. The reason belongs beside it.
func Open() Option { return func(r *Route) { r.Access = Access{Open: true, refuse: r.Access.refuse} } }

// Needs names the scopes of which one is enough.
func Needs(scopes ...Scope) Option { return func(r *Route) { r.Access.Scopes = scopes } }

// JudgedElsewhere lets in everybody who says who he is: what the route passes on is judged where it arrives.
func JudgedElsewhere() Option {
	return func(r *Route) { r.Access.Scopes, r.Access.Tenant = nil, TenantRule{Aware: true} }
}

// KeepsTenantsApart says that the handler shows, or takes, only what is of the tenant that who asks is bound to.
func KeepsTenantsApart() Option { return func(r *Route) { r.Access.Tenant.Aware = true } }

// SameForEveryTenant says that the answer tells nothing of what is of anybody.
func SameForEveryTenant() Option { return KeepsTenantsApart() }

// TenantIn names the query parameter that narrows the answer to one tenant, and with "name=value" what must be set beside.
func TenantIn(query string, fixed ...string) Option {
	t := TenantRule{Query: query, Fixed: map[string]string{}}
	for _, f := range fixed {
		name, value, _ := strings.Cut(f, "=")
		t.Fixed[name] = value
	}
	return func(r *Route) { r.Access.Tenant = t }
}

// RefusedBy answers for a guard in the language of the route.
func RefusedBy(f func(w http.ResponseWriter, r *http.Request, status int, detail string)) Option {
	return func(r *Route) { r.Access.refuse = f }
}

// security describes who may reach the route, for OpenAPI.
func (a *Access) security() []object {
	if a.Open {
		return []object{}
	}
	if len(a.Scopes) == 0 {
		return []object{{"token": []string{}}}
	}
	var out []object
	for _, s := range a.Scopes {
		out = append(out, object{"token": []string{string(s)}})
	}
	return out
}

// asks tells whether any route asks who it is.
func asks(routes []Route) bool {
	return slices.ContainsFunc(routes, func(r Route) bool { return !r.Access.Open })
}
