package bus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// authority signs certificates and keeps them as PEM files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue writes NAME.pem and NAME.key and returns the pair.
func (a *authority) issue(name string, until time.Time, hosts ...string) tls.Certificate {
	a.t.Helper()
	a.n++
	c := &x509.Certificate{SerialNumber: big.NewInt(a.n + 1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	key := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", keyDER)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// guarded starts a broker with the given defences and returns its address.
func guarded(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// refusing is guarded that believes nobody, in the words of Apache Kafka; the broker for tests just hangs up.
func refusing(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.EnableSASL()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = new("Authentication failed during authentication due to invalid credentials")
		return resp, nil, true
	})
	return c.ListenAddrs()[0]
}

// connect has a minute, which only what hangs needs.
func connect(t *testing.T, addr string, s bus.Security) (*bus.Bus, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{Bootstrap: []string{addr}, Security: s}, nil)
	if err == nil {
		t.Cleanup(b.Close)
	}
	return b, err
}

// roundTrip writes and reads with producer, reader and administration.
func roundTrip(t *testing.T, b *bus.Bus) {
	t.Helper()
	if err := b.EnsureTopics(t.Context(), []event.Topic{{Name: topic, Partitions: 1}}); err != nil {
		t.Fatal(err)
	}
	send(t, b, messages(50), bus.ProducerOptions{})
	r, err := b.NewReader(all(1), bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	readAll(t, r, 50)
	if err := b.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSecurity(t *testing.T) {
	ca, other := newAuthority(t, "good"), newAuthority(t, "other")
	server := &tls.Config{Certificates: []tls.Certificate{ca.issue("server", time.Now().Add(time.Hour), "127.0.0.1", "broker.example")}}
	ca.issue("client", time.Now().Add(time.Hour))
	other.issue("client", time.Now().Add(time.Hour))
	mutual := server.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
	elsewhere := &tls.Config{Certificates: []tls.Certificate{ca.issue("elsewhere", time.Now().Add(time.Hour), "broker.example")}}
	old := &tls.Config{Certificates: []tls.Certificate{ca.issue("old", time.Now().Add(-time.Minute), "127.0.0.1")}}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	users := []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "hxp", "right"), kfake.Superuser("SCRAM-SHA-256", "hxp", "right"), kfake.Superuser("SCRAM-SHA-512", "hxp", "right")}
	plain, encrypted, both := guarded(t), guarded(t, kfake.TLS(server)), guarded(t, append(users, kfake.TLS(server))...)
	asking, needsCert, misnamed, expired := guarded(t, users...), guarded(t, kfake.TLS(mutual)), guarded(t, kfake.TLS(elsewhere)), guarded(t, kfake.TLS(old))

	user := func(protocol, mechanism, pass string) bus.Security {
		s := bus.Security{Protocol: protocol, Mechanism: mechanism, Username: "hxp", Password: pass}
		if protocol == "SASL_SSL" {
			s.CAFile = ca.path("ca.pem")
		}
		return s
	}
	trusting := bus.Security{Protocol: "SSL", CAFile: ca.path("ca.pem")}
	for _, c := range []struct {
		name, addr string
		s          bus.Security
		want       string // in the error; "" = it works
	}{
		{"plain", plain, bus.Security{}, ""},
		{"tls", encrypted, trusting, ""},
		{"tls with a certificate", needsCert, bus.Security{Protocol: "SSL", CAFile: ca.path("ca.pem"), CertFile: ca.path("client.pem"), KeyFile: ca.path("client.key")}, ""},
		{"tls under another name", misnamed, bus.Security{Protocol: "SSL", CAFile: ca.path("ca.pem"), ServerName: "broker.example"}, ""},
		{"PLAIN", asking, user("SASL_PLAINTEXT", "PLAIN", "right"), ""},
		{"SCRAM-SHA-256", asking, user("SASL_PLAINTEXT", "SCRAM-SHA-256", "right"), ""},
		{"SCRAM-SHA-512 over tls", both, user("SASL_SSL", "SCRAM-SHA-512", "right"), ""},
		{"password in a file", asking, bus.Security{Protocol: "SASL_PLAINTEXT", Mechanism: "SCRAM-SHA-512", Username: "hxp", PasswordFile: password}, ""},

		{"no sasl", asking, bus.Security{}, "speaks SASL_PLAINTEXT, and security_protocol is PLAINTEXT; set KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT KAFKA_SASL_MECHANISM=PLAIN|SCRAM-SHA-256|SCRAM-SHA-512"},
		{"no tls", encrypted, bus.Security{}, "set KAFKA_SECURITY_PROTOCOL=SSL"},
		{"no sasl and no tls", both, bus.Security{}, "set KAFKA_SECURITY_PROTOCOL=SASL_SSL KAFKA_SASL_MECHANISM="},
		{"tls without sasl", both, trusting, "set KAFKA_SECURITY_PROTOCOL=SASL_SSL"},
		{"no tls where a certificate is wanted", needsCert, bus.Security{}, "set KAFKA_SECURITY_PROTOCOL=SSL KAFKA_SSL_CERT_FILE=… KAFKA_SSL_KEY_FILE=…"},
		{"tls to a plain listener", plain, trusting, "set KAFKA_SECURITY_PROTOCOL=PLAINTEXT"},
		{"wrong password", refusing(t), user("SASL_PLAINTEXT", "PLAIN", "wrong"), "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD"},
		{"wrong password, SCRAM", refusing(t, kfake.TLS(server)), user("SASL_SSL", "SCRAM-SHA-512", "wrong"), "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD"},
		{"unknown authority", encrypted, bus.Security{Protocol: "SSL", CAFile: other.path("ca.pem")}, "KAFKA_SSL_CA_FILE"},
		{"authority of the system", encrypted, bus.Security{Protocol: "SSL"}, "KAFKA_SSL_CA_FILE"},
		{"another host", misnamed, trusting, "KAFKA_SSL_SERVER_NAME"},
		{"expired", expired, trusting, "not valid at this time"},
		{"no certificate", needsCert, trusting, "KAFKA_SSL_CERT_FILE"},
		{"certificate of another authority", needsCert, bus.Security{Protocol: "SSL", CAFile: ca.path("ca.pem"), CertFile: other.path("client.pem"), KeyFile: other.path("client.key")}, "KAFKA_SSL_CERT_FILE"},
		{"no such file", encrypted, bus.Security{Protocol: "SSL", CAFile: ca.path("none.pem")}, "ssl_ca_file: open " + ca.path("none.pem")},
		{"a key for an authority", encrypted, bus.Security{Protocol: "SSL", CAFile: ca.path("client.key")}, "holds no certificate"},
		{"no PEM", encrypted, bus.Security{Protocol: "SSL", CAFile: password}, "holds no PEM"},
		{"no pair", encrypted, bus.Security{Protocol: "SSL", CAFile: ca.path("ca.pem"), CertFile: ca.path("client.pem"), KeyFile: other.path("client.key")}, "make no pair"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := connect(t, c.addr, c.s)
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
				roundTrip(t, b)
			case !errors.Is(err, bus.ErrAccess):
				t.Fatalf("got %v, want an ErrAccess", err)
			case !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n"):
				t.Fatalf("got %v, want one line with %q", err, c.want)
			case bus.Retryable(err):
				t.Errorf("%v counts as retryable", err)
			}
		})
	}
}

// Who is no broker is waited for, whatever it says, because one may be on its way up; a web server is none for certain.
func TestStrangersAtTheDoor(t *testing.T) {
	for name, says := range map[string]string{"nothing": "", "a little": "\x00\x00", "much": strings.Repeat("\xff", 1<<16), "an answer to another question": "\x00\x00\x00\x08\x00\x00\x00\x09\x00\x00\x00\x00",
		"a short answer": "\x00\x00\x00\x05\x00\x00\x00\x07\x00", "an alert": "\x15\x03\x03\x00\x02\x02\x0a"} {
		t.Run(name, func(t *testing.T) {
			visits := make(chan struct{}, 1000)
			addr := stranger(t, says, visits)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for range 12 { // more than one look at it
					<-visits
				}
				cancel()
			}()
			_, err := bus.Connect(ctx, bus.Config{Bootstrap: []string{addr}}, nil)
			if err == nil || errors.Is(err, bus.ErrAccess) {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := connect(t, stranger(t, "HTTP/1.1 400 Bad Request\r\n\r\n", make(chan struct{}, 1000)), bus.Security{})
	if !errors.Is(err, bus.ErrAccess) || !strings.Contains(err.Error(), "an HTTP server answers") {
		t.Errorf("got %v", err)
	}
}

// stranger says the same to everybody who writes to it, and hangs up.
func stranger(t *testing.T, says string, visits chan<- struct{}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte(says)) // whoever has gone already hears nothing
			c.Close()
			select {
			case visits <- struct{}{}:
			default:
			}
		}
	}()
	return l.Addr().String()
}

// Renewed files are taken by the next connection, without a new bus; a broken one keeps the old keys alive.
func TestRenewedKeys(t *testing.T) {
	ca := newAuthority(t, "one")
	ca.issue("client", time.Now().Add(time.Hour))
	seen := make(chan *big.Int, 100)
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.issue("server", time.Now().Add(time.Hour), "127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(),
		VerifyConnection: func(s tls.ConnectionState) error { seen <- s.PeerCertificates[0].SerialNumber; return nil }}
	addr := guarded(t, kfake.TLS(cfg))
	b, err := connect(t, addr, bus.Security{Protocol: "SSL", CAFile: ca.path("ca.pem"), CertFile: ca.path("client.pem"), KeyFile: ca.path("client.key")})
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, b)
	last := func() (n *big.Int) {
		for len(seen) > 0 {
			n = <-seen
		}
		return n
	}
	before := last()
	ca.issue("client", time.Now().Add(time.Hour))
	roundTrip(t, b) // its producer and reader are new connections
	after := last()
	if after == nil || before.Cmp(after) == 0 {
		t.Fatalf("certificate %v was shown after the renewal, %v before it", after, before)
	}
	if err := os.WriteFile(ca.path("client.pem"), []byte("half a f"), 0o600); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, b)
	if again := last(); again == nil || again.Cmp(after) != 0 {
		t.Errorf("certificate %v was shown while the file is broken, want %v", again, after)
	}
}

// What a user lacks is told with the command that gives it.
func TestRights(t *testing.T) {
	wish := []event.Topic{{Name: topic, Partitions: 1}, {Name: event.TopicPanes, Partitions: 1}}
	may := func(name string, ops ...kmsg.ACLOperation) (out []kfake.ACL) {
		for _, op := range ops {
			out = append(out, kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true})
		}
		return out
	}
	enough := append(may(topic, kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDescribeConfigs),
		may(event.TopicPanes, kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationDelete)...)
	addr := guarded(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "x"), kfake.User("PLAIN", "enough", "x", enough...),
		kfake.User("PLAIN", "reader", "x", append(may(topic, kmsg.ACLOperationRead), may(event.TopicPanes, kmsg.ACLOperationRead, kmsg.ACLOperationWrite)...)...),
		kfake.User("PLAIN", "nobody", "x"))
	as := func(user string) *bus.Bus {
		b, err := connect(t, addr, bus.Security{Protocol: "SASL_PLAINTEXT", Mechanism: "PLAIN", Username: user, Password: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	nobody := as("nobody")
	if err := nobody.EnsureTopics(t.Context(), wish); !errors.Is(err, bus.ErrAccess) || !strings.Contains(err.Error(), "kafka-acls") {
		t.Errorf("a user without rights makes topics: %v", err)
	}
	b := as("enough")
	if err := b.EnsureTopics(t.Context(), wish); err != nil {
		t.Fatal(err)
	}
	if err := b.CheckRights(t.Context(), wish); err != nil {
		t.Error(err)
	}
	roundTrip(t, b)
	if err := b.MayDelete(t.Context(), event.TopicPanes); err != nil {
		t.Error(err)
	}
	if err := b.MayDelete(t.Context(), topic); !errors.Is(err, bus.ErrAccess) || !strings.Contains(err.Error(), "--operation Delete --topic events") {
		t.Errorf("got %v", err)
	}
	if err := b.DeleteRecords(t.Context(), topic, map[int32]int64{0: 0}); !errors.Is(err, bus.ErrAccess) {
		t.Errorf("records are deleted without the right: %v", err)
	}
	for user, want := range map[string]bool{"enough": false, "admin": true} {
		if sees, err := as(user).SeesGroups(t.Context()); err != nil || sees != want {
			t.Errorf("%s sees all groups: %t, %v", user, sees, err)
		}
	}
	err := as("reader").CheckRights(t.Context(), wish)
	for _, part := range []string{"Write on events;", "Delete on hxp-panes;", "--add --allow-principal 'User:reader' --operation Write --topic events && ", "--operation Delete --topic hxp-panes", "DescribeConfigs on events, hxp-panes"} {
		if !errors.Is(err, bus.ErrAccess) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "Read on") {
			t.Errorf("got %v, want an ErrAccess with %q", err, part)
		}
	}
	if err := nobody.CheckRights(t.Context(), wish); !errors.Is(err, bus.ErrAccess) || !strings.Contains(err.Error(), "Read on events, hxp-panes; Write on events, hxp-panes; Delete on hxp-panes; DescribeConfigs on events, hxp-panes") {
		t.Errorf("got %v", err)
	}
	p, err := as("reader").NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), messages(1)); !errors.Is(err, bus.ErrAccess) {
		t.Errorf("a write without the right: %v", err)
	}
	r, err := nobody.NewReader(all(1), bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fetch, err := r.Poll(t.Context())
	if err != nil || !errors.Is(fetch[0].Err, bus.ErrAccess) {
		t.Errorf("a read without the right: %+v, %v", fetch, err)
	}
}

// Whoever comes with a certificate is told by the name that Kafka knows it by.
func TestRightsOfACertificate(t *testing.T) {
	ca := newAuthority(t, "one")
	ca.issue("client", time.Now().Add(time.Hour))
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.issue("server", time.Now().Add(time.Hour), "127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()}
	b, err := connect(t, guarded(t, kfake.TLS(cfg), kfake.EnableACLs(), kfake.SeedTopics(1, topic)), bus.Security{Protocol: "SSL", CAFile: ca.path("ca.pem"), CertFile: ca.path("client.pem"), KeyFile: ca.path("client.key")})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CheckRights(t.Context(), []event.Topic{{Name: topic}}); !errors.Is(err, bus.ErrAccess) || !strings.Contains(err.Error(), "--allow-principal 'User:CN=client' --operation Read") {
		t.Errorf("got %v", err)
	}
}

func TestSecurityCheck(t *testing.T) {
	for _, c := range []struct {
		s    bus.Security
		want []string // beginnings; nil = it fits
	}{
		{bus.Security{}, nil},
		{bus.Security{Protocol: "PLAINTEXT"}, nil},
		{bus.Security{Protocol: "SSL"}, nil},
		{bus.Security{Protocol: "SASL_SSL"}, []string{"sasl_mechanism: SASL_SSL needs one of", "sasl_username: ", "sasl_password: "}},
		{bus.Security{Username: "hxp", Password: "x"}, []string{"sasl_username: has no use with security_protocol PLAINTEXT; say KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT or SASL_SSL"}},
		{bus.Security{Protocol: "SSL", Password: "x"}, []string{"sasl_password: has no use with security_protocol SSL; say KAFKA_SECURITY_PROTOCOL=SASL_SSL"}},
		{bus.Security{CAFile: "ca.pem"}, []string{"ssl_ca_file: has no use with security_protocol PLAINTEXT; say KAFKA_SECURITY_PROTOCOL=SSL"}},
		{bus.Security{Protocol: "SSL", CertFile: "c"}, []string{"ssl_key_file: "}},
		{bus.Security{Protocol: "SSL", KeyFile: "k"}, []string{"ssl_cert_file: "}},
		{bus.Security{Protocol: "SASL_SSL", Mechanism: "PLAIN", Username: "u", Password: "p", PasswordFile: "f"}, []string{"sasl_password_file: "}},
	} {
		got := c.s.Check()
		if len(got) != len(c.want) {
			t.Errorf("%+v: got %v, want %q", c.s, got, c.want)
			continue
		}
		for i, err := range got {
			if !strings.HasPrefix(err.Error(), c.want[i]) {
				t.Errorf("%+v: got %v, want %q", c.s, err, c.want[i])
			}
		}
	}
}
