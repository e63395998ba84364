package app

import (
	"context"

	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// lazy is a service that is built when its turn comes, because what it is built from (a connection, an address) exists only
// once the services that it needs are ready.
type lazy struct {
	build func(ctx context.Context) (run.Service, error)
	ready chan struct{}
}

func later(build func(ctx context.Context) (run.Service, error)) *lazy {
	return &lazy{build: build, ready: make(chan struct{})}
}

// Ready is closed when what was built is ready.
func (l *lazy) Ready() <-chan struct{} { return l.ready }

// Run builds the service and runs it until ctx ends.
func (l *lazy) Run(ctx context.Context) error {
	s, err := l.build(ctx)
	if err != nil {
		return err
	}
	r, ok := s.(run.Readier)
	if !ok {
		close(l.ready)
		return s.Run(ctx)
	}
	over := make(chan struct{})
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		select {
		case <-r.Ready():
			close(l.ready)
		case <-over:
		}
	}()
	err = s.Run(ctx)
	close(over)
	<-relayed
	return err
}

// held is a service that is ready once it is opened, and closed when its context ends.
type held struct {
	close func() error
}

func (h held) Run(ctx context.Context) error {
	<-ctx.Done()
	return h.close()
}

// pair runs a room and what serves it: the serving ends first.
type pair struct {
	room interface {
		run.Service
		run.Readier
	}
	server run.Service
}

func (p pair) Ready() <-chan struct{} {
	return p.room.Ready()
}

func (p pair) Run(ctx context.Context) error {
	room, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		err := p.room.Run(room)
		cancel()
		ended <- err
	}()
	err := p.server.Run(serving)
	stop()
	if roomErr := <-ended; roomErr != nil {
		return roomErr
	}
	return err
}
