package certs

import (
	"bytes"
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

	"github.com/hxp-enterprise/hxp/internal/kit/certs/certstest"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string // the key at fault and a word of the reason; "" = none
	}{
		{Config{}, ""},
		{Config{CAFile: "ca"}, ""},
		{Config{CertFile: "c", KeyFile: "k", ClientCAFile: "ca", ClientCertFile: "cc", ClientKeyFile: "ck"}, ""},
		{Config{CertFile: "c"}, "key_file: "},
		{Config{KeyFile: "k"}, "cert_file: "},
		{Config{ClientCAFile: "ca"}, "cert_file: client_ca_file is set"},
		{Config{ClientCertFile: "c"}, "client_key_file: "},
		{Config{ClientKeyFile: "k"}, "client_cert_file: "},
	} {
		got := ""
		if err := c.cfg.Validate(); err != nil {
			got = err.Error()
		}
		if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.cfg, got, c.want)
		}
	}
}

// TestFilesThatCannotBeUsed: each says which setting and which file, and none tells anything of a key.
func TestFilesThatCannotBeUsed(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("one", "localhost")
	_, otherKey := a.Issue("other", "localhost")
	put := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := string(mustRead(t, key))
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no certificate":   {Config{CertFile: "/no/such.pem", KeyFile: key}, "tls.cert_file: open /no/such.pem"},
		"no key":           {Config{CertFile: cert, KeyFile: "/no/such.key"}, "tls.key_file: open /no/such.key"},
		"a foreign key":    {Config{CertFile: cert, KeyFile: otherKey}, "make no pair"},
		"no PEM":           {Config{CertFile: put("x.jks", "\xfe\xed\xfe\xed"), KeyFile: key}, "keytool"},
		"an encrypted key": {Config{CertFile: cert, KeyFile: put("x.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")}, "passphrase"},
		"a large file":     {Config{CertFile: put("x.pem", strings.Repeat("x", 1<<20+1)), KeyFile: key}, "larger than 1 MiB"},
		"a torn key":       {Config{CertFile: cert, KeyFile: put("x.key", secret[:len(secret)/2])}, "holds no PEM"},
		"no authorities":   {Config{CertFile: cert, KeyFile: key, ClientCAFile: key}, "tls.client_ca_file: " + key + " holds no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Keep(c.cfg, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if body := strings.Split(secret, "\n")[1]; strings.Contains(err.Error(), body) {
				t.Errorf("the error tells the key: %v", err)
			}
		})
	}
	if _, err := (Config{CAFile: key}).Client(); err == nil || !strings.Contains(err.Error(), "tls.ca_file") {
		t.Errorf("ca_file without a certificate: %v", err)
	}
	if _, err := (Config{ClientCertFile: cert, ClientKeyFile: otherKey}).Client(); err == nil || !strings.Contains(err.Error(), "tls.client_cert_file") {
		t.Errorf("a pair for commands that is none: %v", err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// greet makes one connection through both configurations and tells the name on the certificate of the server.
func greet(t *testing.T, server, client *tls.Config) (shown string, err error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	served := make(chan error, 1)
	go func() {
		defer far.Close()
		c := tls.Server(far, server)
		err := c.HandshakeContext(t.Context())
		if err == nil {
			_, err = c.Write([]byte("x"))
		}
		served <- err
	}()
	c := tls.Client(near, client)
	if err = c.HandshakeContext(t.Context()); err == nil {
		_, err = io.ReadFull(c, make([]byte, 1)) // TLS 1.3: a client that is refused learns it with the first byte
		shown = c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	near.Close()
	return shown, errors.Join(err, <-served)
}

func TestChangedFilesAreUsed(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("one", "hxp.example")
	var log bytes.Buffer
	k, err := Keep(Config{CertFile: cert, KeyFile: key}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	k.every = 0
	client := &tls.Config{RootCAs: a.Pool(), ServerName: "hxp.example"}
	shown := func() string {
		t.Helper()
		name, err := greet(t, k.Server(true), client)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	if got := shown(); got != "one" {
		t.Fatalf("%q is shown", got)
	}
	newCert, newKey := a.Issue("two", "hxp.example")
	replace(t, newCert, cert) // half of the pair
	if got := shown(); got != "one" {
		t.Errorf("%q is shown while the key is not that of the new certificate", got)
	}
	if got := strings.Count(log.String(), "level=ERROR"); got != 1 || !strings.Contains(log.String(), "make no pair") {
		t.Errorf("%d errors: %s", got, &log)
	}
	shown()
	if got := strings.Count(log.String(), "level=ERROR"); got != 1 {
		t.Errorf("the same files are complained of %d times", got)
	}
	replace(t, newKey, key)
	if got := shown(); got != "two" || k.Certificate().Subject.CommonName != "two" {
		t.Errorf("%q is shown after the pair is whole", got)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if got := shown(); got != "two" {
		t.Errorf("%q is shown after the key was removed", got)
	}
}

// TestACertificateIsTriedAgain: what kept it from being read need not show in its time and size.
func TestACertificateIsTriedAgain(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("one", "hxp.example")
	k, err := Keep(Config{CertFile: cert, KeyFile: key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	k.every = 0
	newCert, newKey := a.Issue("two", "hxp.example")
	replace(t, newKey, key)
	text, at := mustRead(t, newCert), time.Now().Add(time.Hour)
	for _, c := range []struct {
		text []byte
		want string
	}{{bytes.Repeat([]byte("x"), len(text)), "one"}, {text, "two"}} {
		if err := errors.Join(os.WriteFile(cert, c.text, 0o600), os.Chtimes(cert, at, at)); err != nil {
			t.Fatal(err)
		}
		if got := k.Certificate().Subject.CommonName; got != c.want {
			t.Errorf("%q is shown, want %q", got, c.want)
		}
	}
}

// replace puts a file in the place of another, at a time that cannot be that of the one before.
func replace(t *testing.T, from, to string) {
	t.Helper()
	later := time.Now().Add(time.Hour)
	if err := errors.Join(os.Rename(from, to), os.Chtimes(to, later, later)); err != nil {
		t.Fatal(err)
	}
}

func TestClientsShowCertificates(t *testing.T) {
	a, stranger := certstest.New(t, "authority"), certstest.New(t, "stranger")
	cert, key := a.Issue("server", "hxp.example")
	own, ownKey := a.Issue("agent")
	foreign, foreignKey := stranger.Issue("agent")
	k, err := Keep(Config{CertFile: cert, KeyFile: key, ClientCAFile: a.CAFile()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		cert, key      string
		mayStayUnknown bool
		in             bool
	}{
		{"its own", own, ownKey, false, true},
		{"its own", own, ownKey, true, true},
		{"none", "", "", false, false},
		{"none", "", "", true, true},
		{"a foreign one", foreign, foreignKey, false, false},
		{"a foreign one", foreign, foreignKey, true, false},
	} {
		client, err := Config{CAFile: a.CAFile(), ServerName: "hxp.example", ClientCertFile: c.cert, ClientKeyFile: c.key}.Client()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := greet(t, k.Server(c.mayStayUnknown), client); (err == nil) != c.in {
			t.Errorf("a client with %s, may stay unknown %v: %v", c.name, c.mayStayUnknown, err)
		}
	}
}

func TestOldVersionsAreRefused(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("server", "hxp.example")
	k, err := Keep(Config{CertFile: cert, KeyFile: key}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for version, in := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		client := &tls.Config{RootCAs: a.Pool(), ServerName: "hxp.example", MinVersion: version, MaxVersion: version}
		if _, err := greet(t, k.Server(true), client); (err == nil) != in {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}
