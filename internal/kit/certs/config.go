package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Config names the files. One set is that of all listeners of the process.
type Config struct {
	CertFile       string `yaml:"cert_file" env:"HXP_TLS_CERT_FILE" doc:"PEM file of the certificate, with its chain, that every listener shows: the APIs, dashboards, the scheduler, OTLP, and the embedded broker where KAFKA_SECURITY_PROTOCOL is SSL or SASL_SSL. TLS is on when it is named, and nothing is served without it. Like the two below it is read again when it changes; a pair that cannot be used is an error in the log, and the one before stays."`
	KeyFile        string `yaml:"key_file" env:"HXP_TLS_KEY_FILE" doc:"PEM file of the key of that certificate, not encrypted."`
	ClientCAFile   string `yaml:"client_ca_file" env:"HXP_TLS_CLIENT_CA_FILE" doc:"PEM file of the authorities that sign the certificates of clients (mTLS). With it every request needs such a certificate, beside a token where tokens are on; /health, /health/live, /health/ready and /healthz do not."`
	CAFile         string `yaml:"ca_file" env:"HXP_TLS_CA_FILE" doc:"PEM file of the authorities that the commands of hxp, and services that ask each other, trust beside those of the system. With it, or with cert_file, they ask services by https."`
	ClientCertFile string `yaml:"client_cert_file" env:"HXP_TLS_CLIENT_CERT_FILE" doc:"PEM file of the certificate that commands show to services that ask for one."`
	ClientKeyFile  string `yaml:"client_key_file" env:"HXP_TLS_CLIENT_KEY_FILE" doc:"PEM file of the key of that certificate, not encrypted."`
	ServerName     string `yaml:"server_name" env:"HXP_TLS_SERVER_NAME" doc:"Name that the certificates of services are held to by commands, when it is not the host at which they ask, such as 127.0.0.1."`
}

// On tells whether listeners speak TLS.
func (c Config) On() bool { return c.CertFile != "" }

// Asks tells whether listeners ask for a certificate of the client.
func (c Config) Asks() bool { return c.ClientCAFile != "" }

// Scheme is that of the URLs at which services are asked.
func (c Config) Scheme() string {
	if c.On() || c.CAFile != "" {
		return "https"
	}
	return "http"
}

// Validate tells what does not fit together. It looks at no file: who runs a command need not be able to read the key of the services.
func (c Config) Validate() error {
	var errs []error
	need := func(missing bool, key, why string) {
		if missing {
			errs = append(errs, errors.New(key+": "+why))
		}
	}
	need(c.CertFile != "" && c.KeyFile == "", "key_file", "cert_file is set, so its key is needed too (HXP_TLS_KEY_FILE)")
	need(c.KeyFile != "" && c.CertFile == "", "cert_file", "key_file is set, so its certificate is needed too (HXP_TLS_CERT_FILE)")
	need(c.ClientCAFile != "" && c.CertFile == "", "cert_file", "client_ca_file is set, and clients are asked for a certificate over TLS alone (HXP_TLS_CERT_FILE, HXP_TLS_KEY_FILE)")
	need(c.ClientCertFile != "" && c.ClientKeyFile == "", "client_key_file", "client_cert_file is set, so its key is needed too (HXP_TLS_CLIENT_KEY_FILE)")
	need(c.ClientKeyFile != "" && c.ClientCertFile == "", "client_cert_file", "client_key_file is set, so its certificate is needed too (HXP_TLS_CLIENT_CERT_FILE)")
	return errors.Join(errs...)
}

// Client is how services are asked over TLS. The certificate to be shown is read for each connection.
func (c Config) Client() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool() // a machine without authorities trusts those of the file
		}
		if err := addAuthorities(roots, "tls.ca_file", c.CAFile); err != nil {
			return nil, err
		}
		out.RootCAs = roots
	}
	if c.ClientCertFile == "" {
		return out, nil
	}
	own := func() (*tls.Certificate, error) {
		return ReadPair("tls.client_cert_file", c.ClientCertFile, "tls.client_key_file", c.ClientKeyFile)
	}
	if _, err := own(); err != nil {
		return nil, err
	}
	out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() }
	return out, nil
}
