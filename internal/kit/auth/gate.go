package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Authenticator turns one kind of credential into a principal.
type Authenticator interface {
	// Authenticate returns nil and no error when a request carries no credential of this kind, and a *Refusal when it carries one that
	// does not hold.
	Authenticate(r *http.Request) (*Principal, error)
}

// Reason is why somebody is refused, as a metric tells it.
type Reason string

// The reasons.
const (
	Missing   Reason = "missing"   // no credential
	Malformed Reason = "malformed" // none that can be read
	Unknown   Reason = "unknown"   // one that does not exist, or not any more
	Expired   Reason = "expired"
	NoScope   Reason = "scope"
	NoTenant  Reason = "tenant" // bound to one, and the endpoint cannot keep to it, or another was asked for
)

var reasons = []Reason{Missing, Malformed, Unknown, Expired, NoScope, NoTenant}

// Refusal is a credential that does not hold.
type Refusal struct {
	Reason Reason
	Detail string // for who sent it
}

func (r *Refusal) Error() string { return r.Detail }

// Gate lets through who says who he is and may do what he asks for. It is an httpx.Guard.
type Gate struct {
	by      []Authenticator
	refused *telemetry.CounterVec

	// Welcome, when set, answers a stranger by itself, as with a page where he can log in, and returns true. Set it before the first request.
	Welcome func(w http.ResponseWriter, r *http.Request) bool
}

// NewGate makes a gate that asks authenticators in turn; the first that knows the credential decides.
func NewGate(reg *telemetry.Registry, by ...Authenticator) *Gate {
	g := &Gate{by: by, refused: reg.CounterVec("hxp_auth_refused_total", "Requests refused because of who sends them, by reason.", "reason")}
	for _, r := range reasons {
		g.refused.WithLabelValues(string(r))
	}
	return g
}

var _ httpx.Guard = (*Gate)(nil)

// Admit is part of httpx.Guard.
func (g *Gate) Admit(w http.ResponseWriter, r *http.Request, a *httpx.Access) *http.Request {
	if a.Open {
		return r
	}
	p, err := g.authenticate(r)
	if err != nil {
		g.turnAway(w, r, a, err)
		return nil
	}
	if len(a.Scopes) > 0 && !p.Scopes.Allows(a.Scopes) {
		need := Of(a.Scopes...).String()
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="hxp", error="insufficient_scope", scope="%s"`, strings.ReplaceAll(need, ",", " ")))
		g.refuse(w, r, a, NoScope, fmt.Sprintf("this needs the scope %s; %s has %s", strings.ReplaceAll(need, ",", " or "), p, p.Scopes))
		return nil
	}
	if p.Tenant != "" {
		var detail string
		if r, detail = narrow(r, p, &a.Tenant); detail != "" {
			g.refuse(w, r, a, NoTenant, detail)
			return nil
		}
	}
	return r.WithContext(With(r.Context(), p))
}

// authenticate finds out who sends a request.
func (g *Gate) authenticate(r *http.Request) (*Principal, error) {
	for _, by := range g.by {
		if p, err := by.Authenticate(r); p != nil || err != nil {
			return p, err
		}
	}
	detail := "say who you are: send Authorization: Bearer with a token that hxp auth token create made"
	if q := r.URL.Query(); q.Has("token") || q.Has("access_token") {
		detail = "tokens are not read from addresses, where logs keep them; send Authorization: Bearer"
	}
	return nil, &Refusal{Missing, detail}
}

// Identify tells who sends a request, for those who judge by themselves what he may do. Its error is a *Refusal.
func (g *Gate) Identify(r *http.Request) (*Principal, error) {
	p, err := g.authenticate(r)
	if err != nil {
		g.Count(err)
	}
	return p, err
}

// Count counts a refusal that somebody else gave.
func (g *Gate) Count(err error) { g.refused.WithLabelValues(string(refusalOf(err).Reason)).Inc() }

func refusalOf(err error) *Refusal {
	if no, ok := errors.AsType[*Refusal](err); ok {
		return no
	}
	return &Refusal{Unknown, "who you are could not be found out: " + err.Error()}
}

// turnAway answers who is not known.
func (g *Gate) turnAway(w http.ResponseWriter, r *http.Request, a *httpx.Access, err error) {
	no := refusalOf(err)
	if g.Welcome != nil && g.Welcome(w, r) {
		g.refused.WithLabelValues(string(no.Reason)).Inc()
		return
	}
	challenge := `Bearer realm="hxp"`
	if no.Reason != Missing {
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	g.refused.WithLabelValues(string(no.Reason)).Inc()
	a.Refuse(w, r, http.StatusUnauthorized, no.Detail)
}

func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, a *httpx.Access, why Reason, detail string) {
	g.refused.WithLabelValues(string(why)).Inc()
	a.Refuse(w, r, http.StatusForbidden, detail)
}

// narrow makes a request one about the tenant of a principal. detail says why that cannot be.
func narrow(r *http.Request, p *Principal, rule *httpx.TenantRule) (_ *http.Request, detail string) {
	switch {
	case rule.Aware:
		return r, ""
	case rule.Query == "":
		return r, fmt.Sprintf("%s is bound to the tenant %q, and this endpoint does not tell tenants apart", p, p.Tenant)
	}
	q := r.URL.Query()
	must := map[string]string{rule.Query: p.Tenant}
	for name, value := range rule.Fixed {
		must[name] = value
	}
	for name, value := range must {
		for _, asked := range q[name] {
			if asked != "" && asked != value {
				return r, fmt.Sprintf("%s is bound to the tenant %q; %s=%.80q is not for it to ask, %s=%s is", p, p.Tenant, name, asked, name, url.QueryEscape(value))
			}
		}
		q.Set(name, value)
	}
	out := r.WithContext(r.Context()) // a copy, and another address in it
	u := *r.URL
	u.RawQuery = q.Encode()
	out.URL = &u
	return out, ""
}

// Insider is who this process is to itself, with the scopes that it needs for something.
func Insider(name string, scopes ...httpx.Scope) *Principal {
	return &Principal{ID: name, Name: name, Scopes: Of(scopes...)}
}

// Allowed tells whether who does something in a context has a scope; true where nobody was asked.
func Allowed(ctx context.Context, scope httpx.Scope) bool {
	p := From(ctx)
	return p == nil || p.Scopes.Allows([]httpx.Scope{scope})
}
