package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/hxp-enterprise/hxp/internal/audit"
)

// ChangeRecord is a record of the audit log of changes.
type ChangeRecord = audit.Record

// Changes calls see for all records that q chooses, as they were written, in the order of the log.
func (a *Asked) Changes(ctx context.Context, q url.Values, see func(json.RawMessage) error) error {
	return pages(ctx, a, "/audit", "audit", q, 0, see)
}

// VerifyChanges proves the chain.
func (a *Asked) VerifyChanges(ctx context.Context) (v Proof, err error) {
	return v, a.Into(ctx, http.MethodGet, "/audit/verify", nil, &v)
}
