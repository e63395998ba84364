package app

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// checkOTLP finds what is wrong with the listeners for OTLP alone.
func (c *Config) checkOTLP(t *conf.Tree) []conf.Fault {
	var faults []conf.Fault
	for _, l := range [][2]string{{"ingest.otlp_grpc_listen", c.KafkaAPI.Ingest.OTLPGRPC}, {"ingest.otlp_http_listen", c.KafkaAPI.Ingest.OTLPHTTP}} {
		path, addr := l[0], l[1]
		if addr == "" {
			continue
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil || port == "" {
			faults = append(faults, t.NewFault(path, "%q is no host and port, as in 127.0.0.1:4317", addr))
		} else if !c.Insecure && c.TokensFile == "" && !loopback(host) {
			faults = append(faults, t.NewFault(path, openDoor, addr))
		}
	}
	return faults
}

// otlpListeners opens the ports on which OTLP is taken alone, if any are wanted.
func (s *system) otlpListeners() (out []*httpx.Server, err error) {
	for _, l := range []struct {
		name, addr string
		http2      bool
	}{{"otlp-grpc", s.set.ingest.OTLPGRPC, true}, {"otlp-http", s.set.ingest.OTLPHTTP, false}} {
		if l.addr == "" {
			continue
		}
		log := s.log.With("service", KafkaAPI, "listener", l.name)
		mux := httpx.NewMux(log, nil)
		mux.Protect(s.guard(KafkaAPI))
		s.ingest.MountOTLP(mux)
		srv, err := s.listenAt(l.name, l.addr, mux, log)
		if err != nil {
			return nil, errors.Join(err, closeAll(out))
		}
		if l.http2 {
			srv.SpeakHTTP2()
		}
		out = append(out, srv)
	}
	return out, nil
}

func closeAll(servers []*httpx.Server) error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// doors are the servers of one room: they open and close together.
type doors []*httpx.Server

// Run serves until ctx ends or one of them does.
func (d doors) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, len(d))
	var open sync.WaitGroup
	for i, s := range d {
		open.Go(func() {
			defer stop()
			errs[i] = s.Run(ctx)
		})
	}
	open.Wait()
	return errors.Join(errs...)
}
