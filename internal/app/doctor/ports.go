package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// meet finds out which services answer already.
func (p *Plan) meet(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, local, fmt.Errorf("no answer within %s", local))
	defer cancel()
	versions, errs := make([]string, len(p.Services)), make([]error, len(p.Services))
	var all sync.WaitGroup
	for i, s := range p.Services {
		if s.Ask == nil || port(s.Addr) == 0 {
			continue
		}
		all.Go(func() {
			var h health
			if errs[i] = s.Ask(ctx, "/health/live", &h); errs[i] == nil && h.Service == s.Name {
				versions[i] = h.Version
			}
		})
	}
	all.Wait()
	p.running, p.mute = map[string]string{}, map[string]error{}
	for i, s := range p.Services {
		if versions[i] != "" {
			p.running[s.Name] = versions[i]
		}
		p.mute[s.Name] = errs[i]
	}
}

// port is that of host:port, 0 for any.
func port(addr string) int {
	_, text, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(text)
	return n
}

// ports tells of each listener whether it can be opened.
func (p *Plan) ports() (checks []check) {
	for _, s := range p.Services {
		checks = append(checks, check{"port of " + s.Name, local, func(ctx context.Context) Finding { return p.door(ctx, &s) }})
	}
	return checks
}

func (p *Plan) door(ctx context.Context, s *Service) Finding {
	if v := p.running[s.Name]; v != "" {
		return ok("hxp %s answers at %s", v, s.Addr)
	}
	n := port(s.Addr)
	if n == 0 {
		return ok("a free one is taken at the start")
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Addr)
	if err == nil {
		_ = l.Close() // it was opened to see that it can be
		return ok("%s is free", s.Addr)
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		who, known := listening(n)
		switch {
		case known && len(p.running) > 0 && who.pid == holder(p.DataDir):
			return ok("hxp (process %d) listens at %s", who.pid, s.Addr)
		case known && who.name == "hxp" && p.mute[s.Name] != nil:
			return fail("where it is the hxp of this configuration, set HXP_TLS_CA_FILE and HXP_TLS_SERVER_NAME to what its certificate says; else stop it, or set "+s.Setting+" to another port",
				"port %d (%s) is taken by process %d (hxp), which cannot be asked: %v", n, s.Setting, who.pid, p.mute[s.Name])
		case known:
			return fail(fmt.Sprintf("stop process %d, or set %s to another port", who.pid, s.Setting), "port %d (%s) is taken by process %d (%s)", n, s.Setting, who.pid, who.name)
		}
		return fail(fmt.Sprintf("stop what listens there (`ss -ltnp` as root names it), or set %s to another port", s.Setting), "port %d (%s) is taken by another process", n, s.Setting)
	case errors.Is(err, syscall.EACCES):
		return fail(fmt.Sprintf("set %s to a port above 1023, or give hxp the capability CAP_NET_BIND_SERVICE", s.Setting), "port %d (%s) is not for this user", n, s.Setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fail("set HXP_BIND, or the host of the service, to an address of this machine (`ip addr` lists them)", "this machine has no address for %s", s.Addr)
	}
	return fail(fmt.Sprintf("set %s and the host of the service to what this machine has", s.Setting), "%s cannot be listened on: %v", s.Addr, err)
}
