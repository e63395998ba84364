package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Services are asked in one of three ways: by a part of the same process without the network, so that certificates and names are no
// matter; by another process as the configuration says; and by commands, likewise.

// insideHost ends the names of the services of this process.
const insideHost = ".inside"

// newSystem makes a system without parts. It reads the certificates, and what is needed to ask services of other processes.
func newSystem(set settings, log *slog.Logger, o Options) (*system, error) {
	s := &system{
		places: conns.New(set.most, set.each, log), set: set, log: log, reg: telemetry.NewRegistry(), demo: o,
		regs: map[string]*telemetry.Registry{}, urls: map[string]string{}, servers: map[string]*httpx.Server{},
	}
	return s, s.openReach()
}

func (s *system) openReach() error {
	if s.set.tls.On() {
		keeper, err := certs.Keep(s.set.tls, s.log)
		if err != nil {
			return err
		}
		s.certs = keeper
	}
	client, err := s.set.tls.Client()
	if err != nil {
		return err
	}
	s.via = directTransport(client)
	network := s.via.DialContext
	s.via.DialContext = func(ctx context.Context, kind, addr string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(addr)
		name, inside := strings.CutSuffix(host, insideHost)
		if err != nil || !inside {
			return network(ctx, kind, addr)
		}
		srv := s.serverOf(name)
		if srv == nil {
			return nil, fmt.Errorf("%s does not run in this process", name)
		}
		return srv.Dial(ctx)
	}
	return nil
}

// directTransport asks services without a proxy: they are those of one installation.
func directTransport(client *tls.Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.TLSClientConfig = nil, client
	return t
}

func (s *system) serverOf(name string) *httpx.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers[name]
}

// reach is the base URL at which s.via finds a service.
func (s *system) reach(name string) string {
	if s.serverOf(name) != nil {
		return "http://" + name + insideHost
	}
	return s.shown(name)
}

// shown is the base URL of a service for people.
func (s *system) shown(name string) string {
	if here := s.allURLs()[name]; here != "" {
		return here
	}
	return s.set.tls.Scheme() + "://" + s.set.addr(name)
}

// renewSoon is how long before its end somebody should look at a certificate: those that are renewed by themselves are by then.
const renewSoon = 7 * 24 * time.Hour

// checkCertificate tells how long the certificate of the listeners holds.
func (s *system) checkCertificate(context.Context) httpx.Check {
	end := s.certs.Certificate().NotAfter
	left := time.Until(end)
	detail := "valid until " + end.UTC().Format(time.RFC3339)
	switch {
	case left <= 0:
		return httpx.Check{Status: httpx.Degraded, Detail: "not " + detail + ": clients refuse it; put a new one at tls.cert_file and tls.key_file"}
	case left < renewSoon:
		return httpx.Check{Status: httpx.Degraded, Detail: detail + " only; put a new one at tls.cert_file and tls.key_file, it is taken without a restart"}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: detail}
}

// client is how commands ask services, whichever these are.
func (c *Config) client(limit time.Duration) (*http.Client, error) {
	cfg, err := c.TLS.Client()
	if err != nil {
		return nil, err
	}
	return &http.Client{Timeout: limit, Transport: directTransport(cfg)}, nil
}

var errPortNotFixed = errors.New("the port is not fixed")

// baseURL is where commands find a service by the configuration.
func (c *Config) baseURL(service string) (string, error) {
	host, port, err := net.SplitHostPort(c.Addr(service))
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", errPortNotFixed
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() { // it listens everywhere, here too
		host = "127.0.0.1"
	}
	return c.TLS.Scheme() + "://" + net.JoinHostPort(host, port), nil
}

// explainTLS adds to an error of a request what to set, where TLS was the reason.
func explainTLS(err error) error {
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); unknown {
		return fmt.Errorf("%w; name the authority that signed the certificate with HXP_TLS_CA_FILE, and the name on it with HXP_TLS_SERVER_NAME where that is another one", err)
	}
	if errors.As(err, new(tls.RecordHeaderError)) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return fmt.Errorf("%w; the service speaks no TLS: leave HXP_TLS_CA_FILE and HXP_TLS_CERT_FILE out, or ask it with --url http://…", err)
	}
	return err
}
