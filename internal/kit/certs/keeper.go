package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// lookEvery is how often the files are looked at, at most: whoever connects pays for it.
const lookEvery = time.Second

// protocols are those of HTTP; clients of other protocols name none.
var protocols = []string{"h2", "http/1.1"}

// Keeper gives listeners what the files say now. Safe for concurrent use.
type Keeper struct {
	cfg   Config
	log   *slog.Logger
	every time.Duration

	mu     sync.Mutex
	looked time.Time
	seen   string // what the files looked like when they were read well
	fault  string // why they were not since, "" when they were
	now    *tls.Config
}

// Keep reads the files; one that cannot be used is an error now.
func Keep(cfg Config, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{cfg: cfg, log: log, every: lookEvery, looked: time.Now(), seen: cfg.look()}
	var err error
	if k.now, err = cfg.load(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(cfg.KeyFile); err == nil && info.Mode()&0o007 != 0 {
		log.Warn("everybody on this machine can read the key of the certificate; let only hxp read it", "key_file", cfg.KeyFile, "mode", info.Mode().String())
	}
	return k, nil
}

// Server is for a listener. A client that shows no certificate where one is asked for gets through the handshake when it may stay
// unknown, so that a server can tell it what is missing.
func (k *Keeper) Server(mayStayUnknown bool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		cfg := k.current()
		if cfg.ClientCAs != nil && !mayStayUnknown {
			cfg = cfg.Clone()
			cfg.ClientAuth = tls.RequireAndVerifyClientCert
		}
		return cfg, nil
	}}
}

// Asks tells whether clients have to show a certificate.
func (k *Keeper) Asks() bool { return k.cfg.Asks() }

// Certificate is the one that is shown.
func (k *Keeper) Certificate() *x509.Certificate { return k.current().Certificates[0].Leaf }

// current is what the files say, as of a second ago.
func (k *Keeper) current() *tls.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := time.Now(); t.Sub(k.looked) >= k.every {
		k.looked = t
		k.refresh()
	}
	return k.now
}

// refresh reads the files when they have changed. A pair is replaced one file after the other, so a wrong one may be right a moment later.
func (k *Keeper) refresh() {
	seen := k.cfg.look()
	if seen == k.seen {
		return
	}
	cfg, err := k.cfg.load()
	if err != nil { // it is tried again: what was wrong need not be the files
		if k.fault != err.Error() { // once for each reason
			k.log.Error("the certificate is not reloaded, the one from before is used", "error", err)
		}
		k.fault = err.Error()
		return
	}
	k.now, k.seen, k.fault = cfg, seen, ""
	leaf := cfg.Certificates[0].Leaf
	k.log.Info("certificate reloaded", "cert_file", k.cfg.CertFile, "subject", leaf.Subject.String(), "not_after", leaf.NotAfter)
}

// look tells the state of the files that listeners use, without reading them.
func (c Config) look() string {
	var b strings.Builder
	for _, path := range []string{c.CertFile, c.KeyFile, c.ClientCAFile} {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		fmt.Fprintln(&b, info.ModTime().UnixNano(), info.Size())
	}
	return b.String()
}

// load reads the files that listeners use.
func (c Config) load() (*tls.Config, error) {
	pair, err := ReadPair("tls.cert_file", c.CertFile, "tls.key_file", c.KeyFile)
	if err != nil {
		return nil, err
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair}, NextProtos: protocols}
	if c.Asks() {
		if out.ClientCAs, err = ReadAuthorities("tls.client_ca_file", c.ClientCAFile); err != nil {
			return nil, err
		}
		out.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return out, nil
}
