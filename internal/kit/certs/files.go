package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// ReadPair reads a certificate with its chain and its key. certSetting and keySetting name where the paths come from.
func ReadPair(certSetting, certPath, keySetting, keyPath string) (*tls.Certificate, error) {
	cert, err := readPEM(certSetting, certPath)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(keySetting, keyPath)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(key); block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, fmt.Errorf("%s: %s is encrypted; write it without a passphrase (openssl pkey -in %s -out …) and let only hxp read it", keySetting, keyPath, keyPath)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s %s and %s %s make no pair: %w", certSetting, certPath, keySetting, keyPath, err)
	}
	return &pair, nil
}

// ReadAuthorities reads the certificates of authorities.
func ReadAuthorities(setting, path string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	return pool, addAuthorities(pool, setting, path)
}

func addAuthorities(to *x509.CertPool, setting, path string) error {
	text, err := readPEM(setting, path)
	if err == nil && !to.AppendCertsFromPEM(text) {
		err = fmt.Errorf("%s: %s holds no certificate that can be read", setting, path)
	}
	return err
}

// readPEM reads a file that must hold PEM; what operators of Java's programs have are often key stores.
func readPEM(setting, path string) ([]byte, error) {
	text, err := Read(setting, path)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block == nil {
		return nil, fmt.Errorf("%s: %s holds no PEM; of a Java key store make one with keytool -importkeystore -deststoretype PKCS12 and openssl pkcs12", setting, path)
	}
	return text, nil
}

// Read reads a small file.
func Read(setting, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	defer f.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("%s is larger than 1 MiB", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return text, nil
}
