package bus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/hxp-enterprise/hxp/internal/kit/certs"
)

// Security says how the brokers are reached: with TLS or without, and as whom. The names are those of Kafka's own clients.
type Security struct {
	Protocol     string `yaml:"security_protocol" env:"KAFKA_SECURITY_PROTOCOL" default:"PLAINTEXT" enum:"PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL" doc:"What the listener of the brokers speaks: SSL is TLS, SASL asks for a user. The embedded broker speaks it too: with the certificate of HXP_TLS_CERT_FILE, to the user named here and to those of HXP_BROKER_USERS_FILE."`
	Mechanism    string `yaml:"sasl_mechanism" env:"KAFKA_SASL_MECHANISM" enum:"PLAIN,SCRAM-SHA-256,SCRAM-SHA-512" doc:"How the user is proved, with SASL_PLAINTEXT and SASL_SSL."`
	Username     string `yaml:"sasl_username" env:"KAFKA_SASL_USERNAME" doc:"User, with SASL."`
	Password     string `yaml:"sasl_password" env:"KAFKA_SASL_PASSWORD" secret:"true" doc:"Password of the user, with SASL."`
	PasswordFile string `yaml:"sasl_password_file" env:"KAFKA_SASL_PASSWORD_FILE" doc:"File that holds the password alone, in place of sasl_password. It is read at each new connection."`
	CAFile       string `yaml:"ssl_ca_file" env:"KAFKA_SSL_CA_FILE" doc:"PEM file of the authorities that may have signed the brokers' certificates, with SSL; those of the system when not set. It is read at each new connection, as the two below."`
	CertFile     string `yaml:"ssl_cert_file" env:"KAFKA_SSL_CERT_FILE" doc:"PEM file of the certificate, with its chain, that hxp shows to brokers that ask for one (mTLS)."`
	KeyFile      string `yaml:"ssl_key_file" env:"KAFKA_SSL_KEY_FILE" doc:"PEM file of the key of that certificate, not encrypted."`
	ServerName   string `yaml:"ssl_server_name" env:"KAFKA_SSL_SERVER_NAME" doc:"Name that the brokers' certificates are held to, when it is not the host by which they are reached."`
}

// TLS tells whether connections are encrypted.
func (s Security) TLS() bool { return s.Protocol == "SSL" || s.Protocol == "SASL_SSL" }

// SASL tells whether a user is asked for.
func (s Security) SASL() bool { return s.Protocol == "SASL_PLAINTEXT" || s.Protocol == "SASL_SSL" }

// Check tells what does not fit together; each message begins with the key it speaks of. It looks at no file: these are
// read where they are used.
func (s Security) Check() []error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, fmt.Errorf(key+": "+format, args...)) }
	protocol := cmp.Or(s.Protocol, "PLAINTEXT")
	if s.SASL() {
		if s.Mechanism == "" {
			bad("sasl_mechanism", "%s needs one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 (KAFKA_SASL_MECHANISM)", protocol)
		}
		if s.Username == "" {
			bad("sasl_username", "%s needs a user (KAFKA_SASL_USERNAME)", protocol)
		}
		switch {
		case s.Password == "" && s.PasswordFile == "":
			bad("sasl_password", "%s needs a password (KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE)", protocol)
		case s.Password != "" && s.PasswordFile != "":
			bad("sasl_password_file", "sasl_password is set too; give one of them")
		}
	} else {
		for _, v := range [][2]string{{"sasl_mechanism", s.Mechanism}, {"sasl_username", s.Username}, {"sasl_password", s.Password}, {"sasl_password_file", s.PasswordFile}} {
			if v[1] != "" {
				bad(v[0], "has no use with security_protocol %s; say KAFKA_SECURITY_PROTOCOL=%s", protocol, map[bool]string{true: "SASL_SSL", false: "SASL_PLAINTEXT or SASL_SSL"}[s.TLS()])
				break // one setting is enough to see it
			}
		}
	}
	if !s.TLS() {
		for _, v := range [][2]string{{"ssl_ca_file", s.CAFile}, {"ssl_cert_file", s.CertFile}, {"ssl_key_file", s.KeyFile}, {"ssl_server_name", s.ServerName}} {
			if v[1] != "" {
				bad(v[0], "has no use with security_protocol %s; say KAFKA_SECURITY_PROTOCOL=%s", protocol, map[bool]string{true: "SASL_SSL", false: "SSL"}[s.SASL()])
				break
			}
		}
	}
	switch {
	case s.CertFile != "" && s.KeyFile == "":
		bad("ssl_key_file", "ssl_cert_file is set, so its key is needed too (KAFKA_SSL_KEY_FILE)")
	case s.KeyFile != "" && s.CertFile == "":
		bad("ssl_cert_file", "ssl_key_file is set, so its certificate is needed too (KAFKA_SSL_CERT_FILE)")
	}
	return errs
}

// keys opens connections and proves the user with what the settings and their files say at that moment, so a renewed
// certificate or password is taken without a restart.
type keys struct {
	Security
	log *slog.Logger

	mu   sync.Mutex
	last *tls.Config // the newest that could be read: a file that is being replaced breaks no connection
}

// newKeys reads every file once, so that one that cannot be used is told at the start.
func newKeys(s Security, log *slog.Logger) (*keys, error) {
	k := &keys{Security: s, log: log}
	if errs := s.Check(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if s.SASL() {
		if _, err := k.ReadPassword(); err != nil {
			return nil, err
		}
	}
	if s.TLS() {
		cfg, err := s.load()
		if err != nil {
			return nil, err
		}
		k.last = cfg
	}
	return k, nil
}

// options are those of every client.
func (k *keys) options() []kgo.Opt {
	var opts []kgo.Opt
	if k.TLS() {
		opts = append(opts, kgo.Dialer(k.dial))
	} else {
		opts = append(opts, kgo.DialTimeout(dialTimeout))
	}
	if k.SASL() {
		opts = append(opts, kgo.SASL(k.mechanism()))
	}
	return opts
}

// dialTimeout bounds reaching for a broker, its handshake included.
const dialTimeout = 3 * time.Second

func (k *keys) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: k.current()}
	return d.DialContext(ctx, network, addr)
}

// current is what the files say now.
func (k *keys) current() *tls.Config {
	cfg, err := k.load()
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.log.Warn("keys for the brokers cannot be read, those from before are used", "error", err)
		return k.last.Clone()
	}
	k.last = cfg
	return cfg.Clone()
}

func (k *keys) mechanism() sasl.Mechanism {
	switch k.Mechanism {
	case "PLAIN":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := k.ReadPassword()
			return plain.Auth{User: k.Username, Pass: pass}, err
		})
	case "SCRAM-SHA-256":
		return scram.Sha256(k.scram)
	}
	return scram.Sha512(k.scram)
}

func (k *keys) scram(context.Context) (scram.Auth, error) {
	pass, err := k.ReadPassword()
	return scram.Auth{User: k.Username, Pass: pass}, err
}

// ReadPassword gives the password of the user, as it is now.
func (s Security) ReadPassword() (string, error) {
	if s.PasswordFile == "" {
		return s.Password, nil
	}
	text, err := certs.Read("sasl_password_file", s.PasswordFile)
	if err != nil {
		return "", access("%w", err)
	}
	pass := strings.TrimRight(string(text), "\r\n")
	if pass == "" {
		return "", access("sasl_password_file: %s is empty", s.PasswordFile)
	}
	return pass, nil
}

// certificates are those that hxp shows.
func (k *keys) certificates() []tls.Certificate {
	if !k.TLS() {
		return nil
	}
	return k.current().Certificates
}

// principal is the user as Kafka's rights name it: the one of SASL, else the subject of the certificate.
func (k *keys) principal() string {
	if k.SASL() {
		return "User:" + k.Username
	}
	if pairs := k.certificates(); len(pairs) > 0 && pairs[0].Leaf != nil {
		return "User:" + pairs[0].Leaf.Subject.String()
	}
	return "User:ANONYMOUS"
}

// load reads the files.
func (s Security) load() (*tls.Config, error) {
	cfg := &tls.Config{ServerName: s.ServerName, MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pool, err := certs.ReadAuthorities("ssl_ca_file", s.CAFile)
		if err != nil {
			return nil, access("%w", err)
		}
		cfg.RootCAs = pool
	}
	if s.CertFile != "" {
		pair, err := certs.ReadPair("ssl_cert_file", s.CertFile, "ssl_key_file", s.KeyFile)
		if err != nil {
			return nil, access("%w", err)
		}
		cfg.Certificates = []tls.Certificate{*pair}
	}
	return cfg, nil
}
