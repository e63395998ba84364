package tap

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
)

// Config says where a tap stands and what it may take.
type Config struct {
	Listen   string   // host:port of the clients
	Admin    string   // host:port of /health and /metrics; "" = none
	Upstream *url.URL // what stands behind
	Spill    string   // folder in which events wait

	Certs  *certs.Keeper // for both ports; nil = they speak plain HTTP
	Places *conns.Limit  // for the connections of both ports; nil = as many as come

	HeaderTimeout time.Duration // how long the upstream may take to begin its answer; 0 = for ever
	Drain         time.Duration // how long streams may go on after the stop
	MaxOpen       int           // requests at the same time; more are answered 503; 0 = 20,000
	QueueEvents   int           // events in memory; 0 = what the SDK says
	SpillBytes    int64         // disk of the spill; 0 = what the SDK says
	Version       string
	Privacy       *event.Privacy // treats every event before it is kept, on disk too
}

// ParseUpstream reads the base of the upstream.
func ParseUpstream(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("--upstream: name the server behind the tap, like http://127.0.0.1:8001")
	case err != nil:
		return nil, fmt.Errorf("--upstream: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("--upstream %q: give http:// or https:// and a host, like http://127.0.0.1:8001", text)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("--upstream %q: leave out user, query and fragment; requests bring their own", u.Redacted())
	}
	return u, nil
}

// Check tells what is wrong with the rest.
func (c Config) Check() error {
	var errs []error
	for flag, addr := range map[string]string{"--listen": c.Listen, "--admin": c.Admin} {
		if _, _, err := net.SplitHostPort(addr); err != nil && (addr != "" || flag == "--listen") {
			errs = append(errs, fmt.Errorf("%s %q is not host:port, like :8000: %w", flag, addr, err))
		}
	}
	if c.HeaderTimeout < 0 || c.Drain < 0 {
		errs = append(errs, errors.New("--upstream-timeout and --drain must not be below 0"))
	}
	if c.SpillBytes < 0 || c.QueueEvents < 0 || c.MaxOpen < 0 {
		errs = append(errs, errors.New("--spill-bytes, --queue and --max-open must not be below 0"))
	}
	return errors.Join(errs...)
}

func (c Config) maxOpen() int64 {
	if c.MaxOpen == 0 {
		return 20_000
	}
	return int64(c.MaxOpen)
}
