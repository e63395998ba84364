// Package certstest makes authorities and certificates for tests, as PEM files.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates. Its own is ca.pem in its folder, which ends with the test.
type Authority struct {
	Dir  string
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64 // serial number
}

// New makes an authority.
func New(tb testing.TB, name string) *Authority {
	tb.Helper()
	a := &Authority{Dir: tb.TempDir(), tb: tb, key: newKey(tb)}
	a.cert = a.sheet(name, time.Now().Add(24*time.Hour))
	a.cert.IsCA, a.cert.BasicConstraintsValid, a.cert.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	der := a.sign(a.cert, a.key)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	a.cert = cert
	write(tb, a.CAFile(), "CERTIFICATE", der)
	return a
}

// CAFile is the certificate of the authority.
func (a *Authority) CAFile() string { return filepath.Join(a.Dir, "ca.pem") }

// Pool trusts the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Issue writes a certificate for hosts (names or addresses) and its key to files of that name, over those that are there.
func (a *Authority) Issue(name string, hosts ...string) (certFile, keyFile string) {
	a.tb.Helper()
	return a.IssueUntil(name, time.Now().Add(24*time.Hour), hosts...)
}

// IssueUntil is Issue with an end.
func (a *Authority) IssueUntil(name string, until time.Time, hosts ...string) (certFile, keyFile string) {
	a.tb.Helper()
	c := a.sheet(name, until)
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	key := newKey(a.tb)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.tb.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.Dir, name+".pem"), filepath.Join(a.Dir, name+".key")
	write(a.tb, certFile, "CERTIFICATE", a.sign(c, key))
	write(a.tb, keyFile, "PRIVATE KEY", keyDER)
	return certFile, keyFile
}

func (a *Authority) sheet(name string, until time.Time) *x509.Certificate {
	a.last++
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.last), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
}

func (a *Authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	return der
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func write(tb testing.TB, path, kind string, der []byte) {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
}
