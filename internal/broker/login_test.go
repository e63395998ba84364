package broker_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/certs/certstest"
)

// mechanisms are those that the broker offers, for one user.
func mechanisms(user, password string) map[string]sasl.Mechanism {
	return map[string]sasl.Mechanism{
		"PLAIN":         plain.Auth{User: user, Pass: password}.AsMechanism(),
		"SCRAM-SHA-256": scram.Auth{User: user, Pass: password}.AsSha256Mechanism(),
		"SCRAM-SHA-512": scram.Auth{User: user, Pass: password}.AsSha512Mechanism(),
	}
}

// secured starts a broker with TLS, a login, or both.
func secured(t *testing.T, server *tls.Config, login bool) *running {
	t.Helper()
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte("ann:her password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return run(t, broker.Config{TLS: server, Login: login, UsersFile: users, Own: func() (string, string, error) { return "hxp", "own, =word", nil }}, nil)
}

// ping asks once and does not try again.
func ping(t *testing.T, addr string, opts ...kgo.Opt) error {
	t.Helper()
	c := client(t, addr, append(opts, kgo.RequestRetries(0), kgo.RetryTimeout(0))...)
	return c.Ping(deadline(t))
}

func TestLogin(t *testing.T) {
	b := secured(t, nil, true)
	for user, password := range map[string]string{"ann": "her password", "hxp": "own, =word"} {
		for name, m := range mechanisms(user, password) {
			if err := ping(t, b.Addr(), kgo.SASL(m)); err != nil {
				t.Errorf("%s as %s: %v", name, user, err)
			}
		}
		for name, m := range mechanisms(user, "guess") {
			if err := ping(t, b.Addr(), kgo.SASL(m)); !errors.Is(err, kerr.SaslAuthenticationFailed) {
				t.Errorf("%s as %s with a wrong password: %v", name, user, err)
			}
		}
	}
	for name, m := range mechanisms("nobody", "her password") {
		if err := ping(t, b.Addr(), kgo.SASL(m)); !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("%s as nobody: %v", name, err)
		}
	}
	if err := ping(t, b.Addr()); err == nil {
		t.Error("a client without a login is answered")
	}
	admin := client(t, b.Addr(), kgo.SASL(mechanisms("ann", "her password")["SCRAM-SHA-512"]))
	create(t, admin, 1, nil, topic)
	produce(t, admin, topic, 0, 20, 100)
	if ends, err := kadm.NewClient(admin).ListEndOffsets(deadline(t), topic); err != nil || ends[topic][0].Offset == 0 {
		t.Errorf("%v, %v", ends, err)
	}
	b.stop(t)
}

// TestBeforeTheLogin: a stranger gets no answer but to what the login needs, and makes the broker hold no memory.
func TestBeforeTheLogin(t *testing.T) {
	b := secured(t, nil, true)
	handshake := func(mechanism string) kmsg.Request {
		r := kmsg.NewPtrSASLHandshakeRequest()
		r.Version, r.Mechanism = 1, mechanism
		return r
	}
	say := func(text string) kmsg.Request {
		r := kmsg.NewPtrSASLAuthenticateRequest()
		r.Version, r.SASLAuthBytes = 1, []byte(text)
		return r
	}
	for name, requests := range map[string][]kmsg.Request{
		"metadata":                         {kmsg.NewPtrMetadataRequest()},
		"produce":                          {kmsg.NewPtrProduceRequest()},
		"metadata after half a login":      {handshake("SCRAM-SHA-256"), kmsg.NewPtrMetadataRequest()},
		"an unknown mechanism":             {handshake("GSSAPI")},
		"a login without a handshake":      {say("\x00ann\x00her password")},
		"two handshakes":                   {handshake("PLAIN"), handshake("PLAIN")},
		"no NULs":                          {handshake("PLAIN"), say("ann")},
		"as somebody else":                 {handshake("PLAIN"), say("hxp\x00ann\x00her password")},
		"no password":                      {handshake("PLAIN"), say("\x00nobody\x00")},
		"SCRAM that is none":               {handshake("SCRAM-SHA-512"), say("\x00\x00")},
		"a very long message":              {handshake("PLAIN"), say(strings.Repeat("x", 70<<10))},
		"another handshake after a login":  {handshake("PLAIN"), say("\x00ann\x00her password"), handshake("PLAIN")},
		"another login after one that was": {handshake("PLAIN"), say("\x00ann\x00her password"), say("\x00ann\x00her password")},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, b.Addr())
			for _, r := range requests {
				_, _ = c.Write(request(r)) // it may be closed by now
			}
			_, err := io.Copy(io.Discard, c)
			if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
				t.Error("the broker keeps the connection open")
			}
		})
	}
	if err := ping(t, b.Addr(), kgo.SASL(mechanisms("ann", "her password")["PLAIN"])); err != nil {
		t.Errorf("the broker afterwards: %v", err)
	}
	b.stop(t)
}

func keep(t *testing.T, cfg certs.Config) *certs.Keeper {
	t.Helper()
	k, err := certs.Keep(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTLS(t *testing.T) {
	a, stranger := certstest.New(t, "authority"), certstest.New(t, "stranger")
	cert, key := a.Issue("broker", "127.0.0.1")
	own, ownKey := a.Issue("agent")
	as := func(trust *certstest.Authority, cert, key string) kgo.Opt {
		cfg, err := certs.Config{CAFile: trust.CAFile(), ClientCertFile: cert, ClientKeyFile: key}.Client()
		if err != nil {
			t.Fatal(err)
		}
		return kgo.DialTLSConfig(cfg)
	}
	t.Run("with a login", func(t *testing.T) {
		b := secured(t, keep(t, certs.Config{CertFile: cert, KeyFile: key}).Server(false), true)
		for name, m := range mechanisms("ann", "her password") {
			if err := ping(t, b.Addr(), as(a, "", ""), kgo.SASL(m)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := ping(t, b.Addr(), as(a, "", "")); err == nil {
			t.Error("a client without a login is answered")
		}
		if err := ping(t, b.Addr(), as(stranger, "", ""), kgo.SASL(mechanisms("ann", "her password")["PLAIN"])); err == nil {
			t.Error("a client that trusts others is connected")
		}
		if err := ping(t, b.Addr(), kgo.SASL(mechanisms("ann", "her password")["PLAIN"])); err == nil {
			t.Error("a client without TLS is answered")
		}
		b.stop(t)
	})
	t.Run("clients with certificates", func(t *testing.T) {
		b := secured(t, keep(t, certs.Config{CertFile: cert, KeyFile: key, ClientCAFile: a.CAFile()}).Server(false), false)
		if err := ping(t, b.Addr(), as(a, own, ownKey)); err != nil {
			t.Errorf("a client with a certificate: %v", err)
		}
		if err := ping(t, b.Addr(), as(a, "", "")); err == nil {
			t.Error("a client without a certificate is answered")
		}
		b.stop(t)
	})
}

// TestFromInside: this process needs neither TLS nor a login, and its frames are looked at all the same.
func TestFromInside(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("broker", "hxp.example")
	b := secured(t, keep(t, certs.Config{CertFile: cert, KeyFile: key, ClientCAFile: a.CAFile()}).Server(false), true)
	c := client(t, b.Addr(), kgo.Dialer(b.Dial))
	create(t, c, 2, nil, topic)
	produce(t, c, topic, 1, 20, 100)
	if _, err := kadm.NewClient(c).CreateTopic(deadline(t), 9, 1, nil, "wide"); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("a topic that is too wide: %v", err)
	}
	b.stop(t)
	if _, err := b.Dial(t.Context(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dialing after the end: %v", err)
	}
	if plain := run(t, broker.Config{}, nil); plain.Secured() {
		t.Error("a broker that asks for nothing is secured")
	} else {
		plain.stop(t)
	}
}

// TestSilentHandshake: who connects and says nothing is cut.
func TestSilentHandshake(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("broker", "127.0.0.1")
	b := run(t, broker.Config{TLS: keep(t, certs.Config{CertFile: cert, KeyFile: key}).Server(false), FrameTimeout: 300 * time.Millisecond}, nil)
	closedByBroker(t, dial(t, b.Addr()))
	b.stop(t)
}
