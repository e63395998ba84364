package respond

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// guarded makes an error of a panic in a target. An approved response outlives the process, so a panic would come again with each
// start; an error is recorded, and what may be in place is taken back.
type guarded struct {
	target Target
	name   string
	log    *slog.Logger
}

func (g guarded) rescue(call string, err *error) {
	if v := recover(); v != nil {
		g.log.Error("a target panicked", "target", g.name, "call", call, "panic", v, "stack", string(debug.Stack()))
		*err = fmt.Errorf("%s of target %q panicked, which is a fault of hxp: %v", call, g.name, v)
	}
}

func (g guarded) Can(o *Order) (err error) {
	defer g.rescue("can", &err)
	return g.target.Can(o)
}

func (g guarded) Aim(o *Order) (aim string) {
	var err error // without an aim the order is about the target as a whole, which waits for more
	defer g.rescue("aim", &err)
	return g.target.Aim(o)
}

func (g guarded) Reverts(o *Order) (can bool) {
	var err error // what cannot say that it takes back is not trusted to
	defer g.rescue("reverts", &err)
	return g.target.Reverts(o)
}

func (g guarded) Check(ctx context.Context, o *Order) (s *Sight, err error) {
	defer g.rescue("check", &err)
	return g.target.Check(ctx, o)
}

func (g guarded) Apply(ctx context.Context, key string, o *Order, s *Sight) (after []byte, err error) {
	defer g.rescue("apply", &err)
	return g.target.Apply(ctx, key, o, s)
}

func (g guarded) Verify(ctx context.Context, key string, o *Order, s *Sight) (err error) {
	defer g.rescue("verify", &err)
	return g.target.Verify(ctx, key, o, s)
}

func (g guarded) Revert(ctx context.Context, key string, o *Order, before, after []byte) (note string, err error) {
	defer g.rescue("revert", &err)
	return g.target.Revert(ctx, key, o, before, after)
}
