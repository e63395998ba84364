package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// keysOf are the settings that HXP_REAL_KAFKA_ENV, a file of KAFKA_…=… lines, names for the broker of HXP_REAL_KAFKA; none for
// another one.
func keysOf(t testing.TB, broker string) []string {
	t.Helper()
	path := os.Getenv("HXP_REAL_KAFKA_ENV")
	if path == "" || broker != os.Getenv("HXP_REAL_KAFKA") {
		return nil
	}
	return envLines(t, path)
}

func envLines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// brokers is how a client of the tests reaches the broker of this instance.
func (h *instance) brokers() bus.Config {
	c := bus.Config{Bootstrap: []string{h.url("kafka")}}
	into := map[string]*string{
		"KAFKA_SECURITY_PROTOCOL": &c.Protocol, "KAFKA_SASL_MECHANISM": &c.Mechanism, "KAFKA_SASL_USERNAME": &c.Username, "KAFKA_SASL_PASSWORD": &c.Password,
		"KAFKA_SSL_CA_FILE": &c.CAFile, "KAFKA_SSL_CERT_FILE": &c.CertFile, "KAFKA_SSL_KEY_FILE": &c.KeyFile,
	}
	for _, kv := range h.keys {
		if name, value, ok := strings.Cut(kv, "="); ok && into[name] != nil {
			*into[name] = value
		}
	}
	return c
}
