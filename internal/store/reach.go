package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Reach tells whether the database that url names answers. It changes nothing in it.
func Reach(ctx context.Context, url string, log *slog.Logger) error {
	s, err := connect(ctx, url, log)
	if err == nil {
		err = errors.Join(s.Ping(ctx), s.Close())
	}
	if cure := pgCure(err); cure != "" {
		return fmt.Errorf("store: %w; %s", err, cure)
	}
	return err
}
