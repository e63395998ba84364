package auth

import "context"

// Principal is who sends a request.
type Principal struct {
	ID     string // of the token, or of what stands for one
	Name   string // for people
	Scopes Scopes
	Tenant string // that he is bound to; "" = none
	// Ended is closed when his credential no longer holds: what lasts longer than a request ends then. nil = never.
	Ended <-chan struct{}
	// Ticket: he came by a ticket, which no page can make a browser send unless it has it.
	Ticket bool
}

// String names a principal in audits.
func (p *Principal) String() string {
	if p.Name == "" || p.Name == p.ID {
		return p.ID
	}
	return p.Name + " (" + p.ID + ")"
}

type principalKey struct{}

// With is a context of what a principal does.
func With(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From is the principal of a context, nil where nobody was asked.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}

// Tenant is the tenant that the principal of a context is bound to, "" for none.
func Tenant(ctx context.Context) string {
	if p := From(ctx); p != nil {
		return p.Tenant
	}
	return ""
}

// Who names the principal of a context, "" where nobody was asked.
func Who(ctx context.Context) string {
	if p := From(ctx); p != nil {
		return p.String()
	}
	return ""
}
