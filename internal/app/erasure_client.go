package app

import (
	"context"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/erasure"
)

// What batch-processing-api tells of erasures, for commands.
type (
	Erasure         = erasure.Record
	ErasureVerified = erasure.Verified
	ErasureWords    = erasure.Words
)

// Erase takes out what is stored of a user or a tenant (by is user_id or tenant) and returns when that has ended, or when
// whoever is asked does not know its end (see Error).
func (c *BatchClient) Erase(ctx context.Context, by, name string, w ErasureWords, dryRun bool) (r Erasure, err error) {
	if err := c.patient().Into(ctx, http.MethodPost, "/erasures", map[string]any{by: name, "dry_run": dryRun, "topics": w.Topics, "past_groups": w.PastGroups}, &r); err != nil {
		return r, err
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for r.State == erasure.Running && r.Error == "" {
		select {
		case <-t.C:
		case <-ctx.Done():
			return r, context.Cause(ctx)
		}
		var now Erasure // what it leaves out is not what was told before
		if err := c.Into(ctx, http.MethodGet, "/erasures/"+r.ID, nil, &now); err != nil {
			return r, err
		}
		r = now
	}
	return r, nil
}

// VerifyErasure looks for a user or a tenant everywhere again.
func (c *BatchClient) VerifyErasure(ctx context.Context, by, name string) (v ErasureVerified, err error) {
	return v, c.patient().Into(ctx, http.MethodPost, "/erasures/verify", map[string]string{by: name}, &v)
}

// Erasures are the records, newest first.
func (c *BatchClient) Erasures(ctx context.Context) ([]Erasure, error) {
	var out struct {
		Erasures []Erasure `json:"erasures"`
	}
	return out.Erasures, c.Into(ctx, http.MethodGet, "/erasures", nil, &out)
}
