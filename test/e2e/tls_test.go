package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/certs/certstest"
)

// tlsClient is a client of an installation with TLS; cert and key may be "".
func tlsClient(t *testing.T, a *certstest.Authority, cert, key string) *http.Client {
	t.Helper()
	cfg, err := certs.Config{CAFile: a.CAFile(), ClientCertFile: cert, ClientKeyFile: key}.Client()
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// TestTLS: every listener speaks TLS and nothing else, takes a new certificate while it runs, and asks clients for one where it should; the
// embedded broker asks for a user beside.
func TestTLS(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("hxp", "127.0.0.1")
	own, ownKey := a.Issue("agent")
	h := prepare(t, "127.0.0.1:0")
	h.keys = []string{
		"HXP_TLS_CERT_FILE=" + cert, "HXP_TLS_KEY_FILE=" + key, "HXP_TLS_CA_FILE=" + a.CAFile(), "HXP_OTLP_GRPC_LISTEN=127.0.0.1:0",
		"KAFKA_SECURITY_PROTOCOL=SASL_SSL", "KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USERNAME=hxp", "KAFKA_SASL_PASSWORD=pl4nted", "KAFKA_SSL_CA_FILE=" + a.CAFile(),
	}
	h.up(t)
	t.Run("every listener", func(t *testing.T) { speaksTLS(t, h, a) })
	t.Run("gRPC", func(t *testing.T) { grpcOverTLS(t, h, a) })
	t.Run("a board asks behind it", func(t *testing.T) {
		status, body := askWith(t, tlsClient(t, a, "", ""), h.url("operations")+"/analytics?window=60")
		if status != http.StatusOK || !strings.Contains(body, `"overall"`) {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("commands", func(t *testing.T) { commandsOverTLS(t, h) })
	t.Run("the embedded broker", func(t *testing.T) { brokerWithLogin(t, h, a) })
	t.Run("a new certificate", func(t *testing.T) { newCertificate(t, h, a, cert, key) })
	if code := h.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	h.keys = append(h.keys, "HXP_TLS_CLIENT_CA_FILE="+a.CAFile(), "HXP_TLS_CLIENT_CERT_FILE="+own, "HXP_TLS_CLIENT_KEY_FILE="+ownKey)
	h.up(t)
	t.Run("client certificates", func(t *testing.T) { clientCertificates(t, h, a, own, ownKey) })
	if log, err := os.ReadFile(h.logPath()); err != nil || bytes.Contains(log, []byte("pl4nted")) || bytes.Contains(log, []byte("PRIVATE KEY")) {
		t.Errorf("the log tells a secret, or cannot be read: %v", err)
	}
}

func askWith(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	res, data, err := callBy(c, "GET", url, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

var listenersWithHealth = map[string]string{
	"kafka-api": "/health", "event-processing-api": "/health", "batch-processing-api": "/health", "data-streaming-api": "/health", "scheduler": "/health",
	"operations": "/healthz", "business": "/healthz", "performance": "/healthz", "system": "/healthz",
}

func speaksTLS(t *testing.T, h *instance, a *certstest.Authority) {
	trusting := tlsClient(t, a, "", "")
	for name, health := range listenersWithHealth {
		url := h.url(name)
		if !strings.HasPrefix(url, "https://") {
			t.Errorf("the ready file says %q of %s", url, name)
			continue
		}
		if status, body := askWith(t, trusting, url+health); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if status, body := askWith(t, client, "http://"+strings.TrimPrefix(url, "https://")+health); status != http.StatusBadRequest || !strings.Contains(body, "HTTPS") {
			t.Errorf("%s without TLS: %d %s", name, status, body)
		}
		if _, _, err := callBy(client, "GET", url+health, nil, nil); err == nil {
			t.Errorf("%s shows a certificate that everybody trusts", name)
		}
	}
	var health struct {
		Checks map[string]struct{ Status, Detail string }
	}
	_, body := askWith(t, trusting, h.url("kafka-api")+"/health")
	if err := json.Unmarshal([]byte(body), &health); err != nil || health.Checks["certificate"].Status != "degraded" || !strings.Contains(health.Checks["certificate"].Detail, "valid until") {
		t.Errorf("a certificate of one day is not told of: %v, %s", err, body)
	}
	if out, err := os.ReadFile(h.logPath()); err != nil || !bytes.Contains(out, []byte("https://")) {
		t.Errorf("no https in what is printed: %v", err)
	}
}

func grpcOverTLS(t *testing.T, h *instance, a *certstest.Authority) {
	req, err := http.NewRequestWithContext(t.Context(), "POST", h.url("otlp-grpc")+"/opentelemetry.proto.collector.trace.v1.TraceService/Export", bytes.NewReader(make([]byte, 5)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := tlsClient(t, a, "", "").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil || res.ProtoMajor != 2 || res.Trailer.Get("Grpc-Status")+res.Header.Get("Grpc-Status") != "0" {
		t.Errorf("%v, HTTP/%d, %v %v", err, res.ProtoMajor, res.Header, res.Trailer)
	}
}

func commandsOverTLS(t *testing.T, h *instance) {
	if out, errs, code := h.cli(t, "topics", "list", "--url", h.url("kafka-api")); code != 0 || !bytes.Contains(out, []byte("llm-requests")) {
		t.Errorf("topics list: exit %d\n%s%s", code, out, errs)
	}
	keys := h.keys
	defer func() { h.keys = keys }()
	h.keys = nil
	if _, errs, code := h.cli(t, "topics", "list", "--url", h.url("kafka-api")); code != 1 || !bytes.Contains(errs, []byte("HXP_TLS_CA_FILE")) {
		t.Errorf("topics list of one who does not know the authority: exit %d\n%s", code, errs)
	}
	if _, errs, code := h.cli(t, "topics", "list", "--url", "http://"+strings.TrimPrefix(h.url("kafka-api"), "https://")); code != 1 || !bytes.Contains(errs, []byte("speaks TLS")) {
		t.Errorf("topics list without TLS: exit %d\n%s", code, errs)
	}
}

func brokerWithLogin(t *testing.T, h *instance, a *certstest.Authority) {
	send := func(password string) error {
		c, err := kgo.NewClient(kgo.SeedBrokers(h.url("kafka")), kgo.DialTLSConfig(&tls.Config{RootCAs: a.Pool()}), kgo.SASL(scram.Auth{User: "hxp", Pass: password}.AsSha256Mechanism()),
			kgo.RequestRetries(0), kgo.RecordRetries(1))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return c.ProduceSync(ctx, &kgo.Record{Topic: "llm-requests", Value: []byte(`{"event_type":"llm_request","data":{"model":"tls","success":true,"duration_ms":5}}`)}).FirstErr()
	}
	if err := send("a guess"); err == nil {
		t.Error("a wrong password is taken")
	}
	if err := send("pl4nted"); err != nil {
		t.Error(err)
	}
	trace := h.dir + "/one.ndjson"
	if err := os.WriteFile(trace, []byte(`{"event_type":"llm_request","timestamp":"`+stamp(time.Now())+`","data":{"model":"tls","success":true,"duration_ms":5}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := h.replay(t, "--via", "kafka", trace); s.Sent != 1 {
		t.Errorf("replay: %+v", s)
	}
	trusting := tlsClient(t, a, "", "")
	eventually(t, 20*time.Second, "both events are counted", func() bool {
		_, body := askWith(t, trusting, h.url("event-processing-api")+"/analytics?window=300&model=tls")
		var is analytics
		return json.Unmarshal([]byte(body), &is) == nil && is.Overall.Requests == 2
	})
}

// newCertificate: half of a pair changes nothing, a whole one is taken, without a restart.
func newCertificate(t *testing.T, h *instance, a *certstest.Authority, cert, key string) {
	shown := func() string {
		c, err := tls.Dial("tcp", strings.TrimPrefix(h.url("system"), "https://"), &tls.Config{RootCAs: a.Pool()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	next, nextKey := a.Issue("renewed", "127.0.0.1")
	if err := os.Rename(next, cert); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the wrong pair is told of", func() bool {
		if got := shown(); got != "hxp" {
			t.Fatalf("the certificate of %q is shown", got)
		}
		log, err := os.ReadFile(h.logPath())
		return err == nil && bytes.Contains(log, []byte("the certificate is not reloaded"))
	})
	if err := os.Rename(nextKey, key); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "the new certificate is shown", func() bool { return shown() == "renewed" })
}

func clientCertificates(t *testing.T, h *instance, a *certstest.Authority, own, ownKey string) {
	known, unknown := tlsClient(t, a, own, ownKey), tlsClient(t, a, "", "")
	for name, health := range listenersWithHealth {
		if status, body := askWith(t, unknown, h.url(name)+health); status != http.StatusOK {
			t.Errorf("the health of %s for one without a certificate: %d %s", name, status, body)
		}
		if status, body := askWith(t, unknown, h.url(name)+"/"); status != http.StatusForbidden || !strings.Contains(body, "client certificate") {
			t.Errorf("%s for one without a certificate: %d %s", name, status, body)
		}
	}
	for _, url := range []string{h.url("operations") + "/", h.url("operations") + "/analytics?window=60", h.url("system") + "/services/kafka-api/health"} {
		if status, body := askWith(t, known, url); status != http.StatusOK {
			t.Errorf("%s for one with a certificate: %d %.200s", url, status, body)
		}
	}
	if out, errs, code := h.cli(t, "topics", "list", "--url", h.url("kafka-api")); code != 0 || !bytes.Contains(out, []byte("llm-requests")) {
		t.Errorf("topics list: exit %d\n%s%s", code, out, errs)
	}
}
