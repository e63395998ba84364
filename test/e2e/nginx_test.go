package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/certs/certstest"
)

// TestRealNginx: behind the nginx of deploy/nginx, which asks under one public name, a person logs in at the board and its stream comes, a program sends
// events and hears streams with its token, and metrics and pprof are for nobody.
func TestRealNginx(t *testing.T) {
	need(t, "HXP_REAL_NGINX", "nginx before hxp")
	h := prepare(t, "127.0.0.1:0")
	h.keys = append(h.keys, "HXP_AUTH_TOKENS_FILE="+filepath.Join(h.dir, "tokens.json"), "HXP_ALLOWED_HOSTS=hxp.example")
	_, token := h.token(t, "all", "--scope", "ingest,read,admin")
	h.up(t)
	public := nginxBefore(t, h)
	client := namedClient(t, public)
	bearer := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/x-ndjson"}

	for _, c := range []struct {
		method, path string
		header       map[string]string
		body         string
		want         int
	}{
		{"POST", "/events", nil, tenantLine("n0", ""), 401},
		{"POST", "/events", bearer, tenantLine("n1", ""), 202},
		{"GET", "/api/kafka/topics", bearer, "", 200},
		{"GET", "/api/events/analytics?window=60", bearer, "", 200},
		{"GET", "/api/batch/aggregation/status", bearer, "", 200},
		{"GET", "/api/streams/streams/status", bearer, "", 200},
		{"GET", "/metrics", bearer, "", 404},
		{"GET", "/api/batch/metrics", bearer, "", 404},
		{"GET", "/api/events/debug/pprof/heap", bearer, "", 404},
	} {
		if res, body, err := callBy(client, c.method, public+c.path, c.header, []byte(c.body)); err != nil || res.StatusCode != c.want {
			t.Errorf("%s %s: %v %v, want %d: %s", c.method, c.path, err, res, c.want, body)
		}
	}
	for _, path := range []string{"/api/streams/stream", "/api/streams/stream/metrics"} {
		firstLine(t, client, public+path, bearer)
	}
	client.Jar, _ = cookiejar.New(nil) // it never fails
	res, body, err := callBy(client, "POST", public+"/login", map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://hxp.example", "Sec-Fetch-Site": "same-origin"}, []byte(url.Values{"token": {token}}.Encode()))
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), "cards") {
		t.Fatalf("the login: %v %v %.500s", err, res, body)
	}
	if cookies := client.Jar.Cookies(res.Request.URL); len(cookies) != 1 || !strings.HasPrefix(cookies[0].Name, "__Host-") {
		t.Errorf("the board does not see that the browser came over TLS: %v", cookies)
	}
	firstLine(t, client, public+"/stream?topics=metrics", nil)
	if res, body, err := callBy(client, "GET", public+"/analytics?window=60", nil, nil); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("the board asks: %v %v %s", err, res, body)
	}
}

// firstLine wants the first line of a stream at once, through whatever lies between.
func firstLine(t *testing.T, client *http.Client, target string, header map[string]string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); res.StatusCode != http.StatusOK || err != nil || line == "" {
		t.Errorf("%s: %d %q %v", target, res.StatusCode, line, err)
	}
}

// nginxBefore runs nginx with the sample, as one process so that none outlives the test, on ports of nobody else, and returns its public URL.
func nginxBefore(t *testing.T, h *instance) string {
	t.Helper()
	dir := t.TempDir()
	a := certstest.New(t, "authority")
	cert, key := a.Issue("hxp.example", "hxp.example")
	text, err := os.ReadFile("../../deploy/nginx/hxp.conf")
	if err != nil {
		t.Fatal(err)
	}
	port := free(t)
	change := []string{"listen 443", "listen 127.0.0.1:" + port, "listen 80", "listen 127.0.0.1:" + free(t), "/etc/ssl/hxp/fullchain.pem", cert, "/etc/ssl/hxp/privkey.pem", key}
	for usual, service := range map[string]string{"9099": "kafka-api", "9100": "event-processing-api", "9101": "batch-processing-api", "9102": "data-streaming-api", "8501": "operations"} {
		change = append(change, "127.0.0.1:"+usual, strings.TrimPrefix(h.url(service), "http://"))
	}
	main := "daemon off; master_process off; pid " + dir + "/pid; error_log " + dir + "/error.log; events {} http { access_log off; "
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += kind + "_temp_path " + filepath.Join(dir, kind) + "; "
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(main+strings.NewReplacer(change...).Replace(string(text))+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, "nginx", "-e", filepath.Join(dir, "error.log"), "-c", file)
	eventually(t, readyWithin, "nginx listens", func() bool {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return fmt.Sprintf("https://hxp.example:%s", port)
}

// namedClient finds a public name on this machine.
func namedClient(t *testing.T, public string) *http.Client {
	t.Helper()
	at, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+at.Port())
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}
