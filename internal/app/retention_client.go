package app

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// What batch-processing-api tells of retention, for commands.
type (
	RetentionPlan    = retention.Plan
	RetentionRestore = retention.Restore
	ArchiveVerified  = retention.Verified
	LegalHold        = event.Hold
)

// Cleanup lets old data go and returns when the plan is carried out.
func (c *BatchClient) Cleanup(ctx context.Context, dryRun, force bool) (p RetentionPlan, err error) {
	if err := c.patient().Into(ctx, http.MethodPost, "/retention/cleanup", map[string]bool{"dry_run": dryRun, "force": force}, &p); err != nil {
		return p, err
	}
	err = c.settled(ctx, p.ID, func() string { return p.State }, &p)
	return p, err
}

// RetentionPlan returns a plan.
func (c *BatchClient) RetentionPlan(ctx context.Context, id string) (p RetentionPlan, err error) {
	return p, c.Into(ctx, http.MethodGet, "/retention/plans/"+url.PathEscape(id), nil, &p)
}

// RetentionPlans returns plans and restores without their items, newest first.
func (c *BatchClient) RetentionPlans(ctx context.Context) ([]RetentionPlan, error) {
	var out struct {
		Plans []RetentionPlan `json:"plans"`
	}
	return out.Plans, c.Into(ctx, http.MethodGet, "/retention/plans", nil, &out)
}

// RestoreArchive brings back what a plan let go and returns when that is done.
func (c *BatchClient) RestoreArchive(ctx context.Context, plan string, dryRun bool) (r RetentionRestore, err error) {
	if err := c.patient().Into(ctx, http.MethodPost, "/retention/restore", map[string]any{"archive": plan, "dry_run": dryRun}, &r); err != nil {
		return r, err
	}
	err = c.settled(ctx, r.ID, func() string { return r.State }, &r)
	return r, err
}

// settled asks for a plan until it is carried out.
func (c *BatchClient) settled(ctx context.Context, id string, state func() string, into any) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for state() == retention.Running {
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := c.Into(ctx, http.MethodGet, "/retention/plans/"+url.PathEscape(id), nil, into); err != nil {
			return err
		}
	}
	return nil
}

// VerifyArchive reads every file of the archive again.
func (c *BatchClient) VerifyArchive(ctx context.Context) (v ArchiveVerified, err error) {
	return v, c.patient().Into(ctx, http.MethodPost, "/retention/verify", nil, &v)
}

// Holds lists the legal holds.
func (c *BatchClient) Holds(ctx context.Context) ([]LegalHold, error) {
	var out struct {
		Holds []LegalHold `json:"holds"`
	}
	return out.Holds, c.Into(ctx, http.MethodGet, "/retention/holds", nil, &out)
}

// SetHold sets a legal hold.
func (c *BatchClient) SetHold(ctx context.Context, h LegalHold) (set LegalHold, err error) {
	return set, c.Into(ctx, http.MethodPut, "/retention/holds/"+url.PathEscape(h.Name), map[string]any{"class": h.Class, "from": h.From, "to": h.To, "reason": h.Reason}, &set)
}

// LiftHold lifts a legal hold.
func (c *BatchClient) LiftHold(ctx context.Context, name string) error {
	return c.Into(ctx, http.MethodDelete, "/retention/holds/"+url.PathEscape(name), nil, nil)
}
