package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/certs/certstest"
)

// speech says something on a connection that has a deadline; what it hears is read by others.
type speech func(r *rand.Rand, c net.Conn)

// door is a listener that is spoken to.
type door struct {
	addr     string
	encrypts bool
	speeches []speech
}

// visit opens a connection, holds one speech, hears what comes back for a while, and leaves.
func (d *door) visit(r *rand.Rand) {
	c, err := net.DialTimeout("tcp", d.addr, time.Second)
	if err != nil {
		return // the listener has as many as it may have
	}
	defer c.Close()
	patience := time.Duration(20+r.IntN(100)) * time.Millisecond
	if r.IntN(8) == 0 {
		patience = 2 * time.Second // answers end earlier, since the connection is to be closed behind most of them
	}
	_ = c.SetDeadline(time.Now().Add(patience)) // fails on a closed connection only
	if d.encrypts && r.IntN(6) > 0 {            // else it hears what is no TLS
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: [][]string{nil, {"h2"}, {"http/1.1"}}[r.IntN(3)]})
	}
	d.speeches[r.IntN(len(d.speeches))](r, c)
	_, _ = io.CopyN(io.Discard, c, 64<<10)
}

// visited is a process with its doors. metrics are those of all its services.
type visited struct {
	name    string
	pid     int
	doors   []*door
	metrics func(t testing.TB) string
	profile func() []byte // of the goroutines
}

// TestRealFuzzListeners speaks to every listener at once, for 15 seconds or HXP_FUZZ=10m: HTTP of each service and board, as the descriptions of the API
// allow and not quite, WebSocket, SSE, OTLP over HTTP and gRPC, remote write, and every request of the Kafka protocol; all of it again behind TLS with
// tokens and SASL; and hxp tap. The servers that hxp asks answer in the same way. The processes stay, every service answers at the end, nothing panicked
// or was answered 500, events sent afterwards are counted, no goroutine or file stays open, and after a minute or more memory is no more than 64 MiB
// above where it was.
func TestRealFuzzListeners(t *testing.T) {
	need(t, "", "the listeners")
	lasts, err := time.ParseDuration(os.Getenv("HXP_FUZZ"))
	if err != nil {
		lasts = 15 * time.Second
	}
	open, guarded := fuzzedOpen(t), fuzzedGuarded(t)
	processes := []*visited{visitOpen(t, open), visitGuarded(t, guarded), visitTap(t, open)}
	visitAll(processes, max(lasts/5, 5*time.Second), 1) // what is made once is made, and connections of hxp itself to its brokers
	mib, idle := map[*visited]int{}, map[*visited][2]int{}
	for _, p := range processes {
		mib[p], idle[p] = residentMiB(t, p.pid), p.idle(t)
	}
	n := visitAll(processes, lasts, 1000)

	for _, h := range []*instance{open, guarded} {
		log, err := os.ReadFile(h.logPath())
		if at := regexp.MustCompile(`panic|goroutine \d+ \[`).FindIndex(log); err != nil || at != nil {
			t.Errorf("%v, the log tells of a panic: %.5000s", err, log[max(0, at[0]-300):])
		}
	}
	hour := time.Date(2001, 3, 1, 0, 0, 0, 0, time.UTC)
	good := generate(2, 200, "fuzz-after", hour)
	open.send(t, good)
	open.counted(t, hour, good)
	for _, p := range processes {
		if failed := regexp.MustCompile(`(?m)^hxp_http_requests_total\{.*code="500".*$`).FindAllString(p.metrics(t), -1); failed != nil {
			t.Errorf("%s answered 500: %s", p.name, strings.Join(failed, "\n"))
		}
		if lasts >= time.Minute {
			eventually(t, time.Minute, fmt.Sprintf("memory of %s is less than 64 MiB above %d MiB", p.name, mib[p]), func() bool { return residentMiB(t, p.pid) < mib[p]+64 })
		}
		p.rests(t, idle[p][0]+64, idle[p][1]+32)
		t.Logf("%s: %d doors; %d MiB before, %d after; %d goroutines before, %d after", p.name, len(p.doors), mib[p], residentMiB(t, p.pid), idle[p][0], p.goroutines(t))
	}
	t.Logf("%d conversations", n)
}

// visitAll visits every door, each by one visitor, and tells how often.
func visitAll(processes []*visited, lasts time.Duration, seed uint64) int64 {
	var all sync.WaitGroup
	var n atomic.Int64
	end := time.Now().Add(lasts)
	for _, p := range processes {
		for _, d := range p.doors {
			seed++
			all.Go(func() {
				for r := rand.New(rand.NewPCG(seed, seed)); time.Now().Before(end); n.Add(1) {
					d.visit(r)
				}
			})
		}
	}
	all.Wait()
	return n.Load()
}

func (p *visited) goroutines(t testing.TB) (n int) {
	t.Helper()
	found := regexp.MustCompile(`(?m)^go_goroutines (\d+)$`).FindStringSubmatch(p.metrics(t))
	if found == nil {
		t.Fatalf("%s does not tell how many goroutines it has", p.name)
	}
	n, _ = strconv.Atoi(found[1])
	return n
}

// idle are the goroutines and files of a process when they do not become fewer any more.
func (p *visited) idle(t testing.TB) [2]int {
	t.Helper()
	for n := p.goroutines(t); ; {
		time.Sleep(3 * time.Second) // of another process, whose time is not ours to bend
		next := p.goroutines(t)
		if next >= n {
			return [2]int{next, p.files(t)}
		}
		n = next
	}
}

// rests waits until a process that nobody visits any more has few goroutines and files again.
func (p *visited) rests(t testing.TB, goroutines, files int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); p.goroutines(t) > goroutines || p.files(t) > files; time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Errorf("%s has %d goroutines, at most %d are meant, and %d files, at most %d:\n%.6000s", p.name, p.goroutines(t), goroutines, p.files(t), files, p.profile())
			return
		}
	}
}

func (p *visited) files(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// fuzzedOpen is an hxp that anybody may talk to, which reads the metrics of a server that answers badly.
func fuzzedOpen(t *testing.T) *instance {
	t.Helper()
	scraped := stranger(t, expositions)
	h := prepare(t, "127.0.0.1:0", "--config", configured(t, fmt.Sprintf("scrape: [{name: a, url: 'http://%[1]s', interval: 1s}, {name: b, url: 'http://%[1]s/b', interval: 1s}]\n", scraped)))
	h.env = append(h.env, "HXP_OTLP_GRPC_LISTEN=127.0.0.1:0", "HXP_OTLP_HTTP_LISTEN=127.0.0.1:0")
	h.up(t)
	return h
}

// fuzzedGuarded is an hxp that asks everybody who he is, on every listener.
func fuzzedGuarded(t *testing.T) *instance {
	t.Helper()
	a := certstest.New(t, "authority")
	cert, key := a.Issue("hxp", "127.0.0.1")
	h := prepare(t, "127.0.0.1:0")
	h.keys = []string{
		"HXP_TLS_CERT_FILE=" + cert, "HXP_TLS_KEY_FILE=" + key, "HXP_TLS_CA_FILE=" + a.CAFile(), "HXP_OTLP_GRPC_LISTEN=127.0.0.1:0", "HXP_OTLP_HTTP_LISTEN=127.0.0.1:0",
		"HXP_AUTH_TOKENS_FILE=" + filepath.Join(h.dir, "tokens.json"),
		"KAFKA_SECURITY_PROTOCOL=SASL_SSL", "KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "KAFKA_SASL_USERNAME=hxp", "KAFKA_SASL_PASSWORD=pl4nted", "KAFKA_SSL_CA_FILE=" + a.CAFile(),
	}
	h.up(t)
	return h
}

func visitOpen(t *testing.T, h *instance) *visited {
	t.Helper()
	return &visited{"hxp", h.cmd.Process.Pid, doorsOf(t, h, "", ""), func(t testing.TB) string { return metricsOf(t, h, client, "") }, func() []byte { return profileOf(h, client, "") }}
}

func visitGuarded(t *testing.T, h *instance) *visited {
	t.Helper()
	_, token := h.token(t, "fuzz", "--scope", "ingest,read,admin,act,approve")
	c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(c.CloseIdleConnections)
	eventually(t, followed, "the token counts", func() bool {
		res, _, err := callBy(c, "GET", h.url("kafka-api")+"/topics", map[string]string{"Authorization": "Bearer " + token}, nil)
		return err == nil && res.StatusCode == http.StatusOK
	})
	return &visited{"hxp behind TLS", h.cmd.Process.Pid, doorsOf(t, h, token, "hxp\x00pl4nted"), func(t testing.TB) string { return metricsOf(t, h, c, token) }, func() []byte { return profileOf(h, c, token) }}
}

// metricsOf are the metrics of all services, which answer while they are asked.
func metricsOf(t testing.TB, h *instance, c *http.Client, token string) string {
	t.Helper()
	var text strings.Builder
	for name, health := range listenersWithHealth {
		if health != "/health" {
			continue // the boards show those of the services
		}
		res, body, err := callBy(c, "GET", h.url(name)+"/metrics", map[string]string{"Authorization": "Bearer " + token}, nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("metrics of %s: %v %s\n%s", name, err, body, h.logTail(3000))
		}
		text.Write(body)
	}
	return text.String()
}

func profileOf(h *instance, c *http.Client, token string) []byte {
	_, body, _ := callBy(c, "GET", h.url("kafka-api")+"/debug/pprof/goroutine?debug=1", map[string]string{"Authorization": "Bearer " + token}, nil) // it is of use where it comes
	return body
}

// doorsOf are the listeners of an hxp. A token and a user, when it asks for them, are shown in every other speech.
func doorsOf(t *testing.T, h *instance, token, user string) (out []*door) {
	t.Helper()
	add := func(name string, speeches ...speech) {
		_, addr, _ := strings.Cut(h.url(name), "://")
		if addr == "" {
			addr = h.url(name)
		}
		out = append(out, &door{addr, user != "", append(speeches, spoiltTexts)})
	}
	add("kafka", kafkaRequests(user), kafkaRequests(user), kafkaRequests(user))
	add("otlp-grpc", grpcCalls(token), grpcCalls(token), otlpRequests(token))
	add("otlp-http", otlpRequests(token))
	all := operations(t, "../../api/openapi/*.json")
	for name, health := range listenersWithHealth {
		ops := all // a board passes on what its services answer
		if health == "/health" {
			ops = operations(t, "../../api/openapi/"+name+".json")
		}
		speeches := []speech{apiRequests(ops, token), apiRequests(ops, token), apiRequests(ops, token), webSocket(token)}
		if name == "kafka-api" {
			speeches = append(speeches, otlpRequests(token), remoteWrites(token))
		}
		add(name, speeches...)
	}
	return out
}

// visitTap starts hxp tap on the broker of h, before a server that answers badly.
func visitTap(t *testing.T, h *instance) *visited {
	t.Helper()
	listen, admin := "127.0.0.1:"+free(t), "127.0.0.1:"+free(t)
	tap := h.begin(t, "tap", "--listen", listen, "--admin", admin, "--upstream", "http://"+stranger(t, answers), "--data-dir", t.TempDir())
	metrics := func(t testing.TB) string {
		res, body, err := call("GET", "http://"+admin+"/metrics", nil, nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("metrics of hxp tap: %v %s", err, body)
		}
		return string(body)
	}
	eventually(t, readyWithin, "hxp tap is ready", func() bool { _, _, err := call("GET", "http://"+admin+"/health/live", nil, nil); return err == nil })
	return &visited{"hxp tap", tap.cmd.Process.Pid, []*door{{listen, false, []speech{chatRequests, chatRequests, spoiltTexts}}, {admin, false, []speech{spoiltTexts}}}, metrics, func() []byte { return nil }}
}
