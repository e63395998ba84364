package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/kit/chain"
)

// What event-processing-api tells of responses, for commands.
type (
	Response   = alert.Response
	KillSwitch = alert.Switch
)

// Proof is what a proof of a chained log found.
type Proof = chain.Proof

// AuditRecord is what a person reads of a record of the audit log.
type AuditRecord struct {
	At       string `json:"at"`
	Who      string `json:"who"`
	What     string `json:"what"`
	Reason   string `json:"reason"`
	Response string `json:"response"`
}

func responsePath(id string) string { return "/responses/" + url.PathEscape(id) }

// Responses lists responses, the newest first, at most so many (0 = all). The query is that of GET /responses.
func (a *Asked) Responses(ctx context.Context, q url.Values, most int) ([]Response, error) {
	return gather[Response](ctx, a, "/responses", "responses", q, most)
}

// Response shows one response.
func (a *Asked) Response(ctx context.Context, id string) (r Response, err error) {
	return r, a.Into(ctx, http.MethodGet, responsePath(id), nil, &r)
}

// Decide approves, dismisses or reverts a response.
func (a *Asked) Decide(ctx context.Context, id, verb, by, reason string) (r Response, err error) {
	return r, a.Into(ctx, http.MethodPost, responsePath(id)+"/"+verb, map[string]string{"by": by, "reason": reason}, &r)
}

// Audit calls see for the records of the audit log as they were written, the oldest first, at most so many (0 = all).
func (a *Asked) Audit(ctx context.Context, most int, see func(json.RawMessage) error) error {
	return pages(ctx, a, "/responses/audit", "audit", url.Values{}, most, see)
}

// VerifyAudit proves the audit log.
func (a *Asked) VerifyAudit(ctx context.Context) (v Proof, err error) {
	return v, a.Into(ctx, http.MethodGet, "/responses/audit/verify", nil, &v)
}

// KillSwitch says whether the kill switch is on.
func (a *Asked) KillSwitch(ctx context.Context) (s KillSwitch, err error) {
	return s, a.Into(ctx, http.MethodGet, "/responses/kill-switch", nil, &s)
}

// SetKillSwitch turns it on or off.
func (a *Asked) SetKillSwitch(ctx context.Context, on bool, by, reason string) (s KillSwitch, err error) {
	return s, a.Into(ctx, http.MethodPut, "/responses/kill-switch", map[string]any{"on": on, "by": by, "reason": reason}, &s)
}
