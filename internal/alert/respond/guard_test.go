package respond

import (
	"context"
	"strings"
	"testing"
	"time"
)

// panicky panics in one of its methods.
type panicky struct {
	Target
	in string
}

func (p panicky) at(name string) {
	if p.in == name {
		panic("no such map")
	}
}

func (p panicky) Aim(o *Order) string { p.at("aim"); return p.Target.Aim(o) }

func (p panicky) Can(o *Order) error { p.at("can"); return p.Target.Can(o) }
func (p panicky) Check(ctx context.Context, o *Order) (*Sight, error) {
	p.at("check")
	return p.Target.Check(ctx, o)
}
func (p panicky) Apply(ctx context.Context, key string, o *Order, s *Sight) ([]byte, error) {
	p.at("apply")
	return p.Target.Apply(ctx, key, o, s)
}
func (p panicky) Verify(ctx context.Context, key string, o *Order, s *Sight) error {
	p.at("verify")
	return p.Target.Verify(ctx, key, o, s)
}
func (p panicky) Revert(ctx context.Context, key string, o *Order, before, after []byte) (string, error) {
	p.at("revert")
	return p.Target.Revert(ctx, key, o, before, after)
}

// A target that panics ends neither the process nor in silence.
func TestTargetThatPanics(t *testing.T) {
	for in, want := range map[string]State{"can": Refused, "check": Refused, "apply": Failed, "verify": Reverted, "revert": Failed} {
		t.Run(in, func(t *testing.T) {
			inWorld(t, 1, nil, func(w *world) {
				w.machines[0].o.Targets["gpu"] = panicky{w.target, in}
				w.fire("r", "e01")
				w.pass(10 * time.Second)
				if in == "revert" {
					w.is(Verified)
					w.resolve("r", "e01")
					w.pass(3 * time.Minute)
				}
				if r := w.is(want); !strings.Contains(r.Reason, "no such map") {
					t.Errorf("the reason is %q", r.Reason)
				}
				w.intact()
			})
		})
	}
}
