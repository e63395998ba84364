package app

import (
	"context"
	"log/slog"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// Every part gets what it needs of the others: the whole system becomes ready.
func TestTheWholeSystemStarts(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := slog.New(slog.DiscardHandler)
	_, units, err := alone(ctx, Names, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	ready := false
	if err := run.Supervise(ctx, log, units, func() { ready = true; stop() }); err != nil || !ready {
		t.Fatalf("ready: %v, %v", ready, err)
	}
}
