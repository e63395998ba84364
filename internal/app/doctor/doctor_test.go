package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// expect holds a finding to a status and to words of detail and cure.
func expect(t *testing.T, what string, f Finding, status Status, words ...string) {
	t.Helper()
	if f.Status != status || (status != OK) != (f.Cure != "") {
		t.Errorf("%s: %+v, want %s", what, f, status)
	}
	for _, w := range words {
		if !strings.Contains(f.Detail+" "+f.Cure, w) {
			t.Errorf("%s: %+v lacks %q", what, f, w)
		}
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &Plan{}
	at := l.Addr().(*net.TCPAddr)
	s := &Service{Name: "kafka-api", Addr: at.String(), Setting: "KAFKA_API_PORT"}
	expect(t, "taken", p.door(t.Context(), s), Fail, fmt.Sprint(at.Port), "KAFKA_API_PORT")
	if who, known := listening(at.Port); known && who.pid != os.Getpid() {
		t.Errorf("process %d listens, not %d", who.pid, os.Getpid())
	}
	p.running = map[string]string{"kafka-api": "v9"}
	expect(t, "ours", p.door(t.Context(), s), OK, "v9")
	_ = l.Close()
	p.running = nil
	expect(t, "free", p.door(t.Context(), s), OK, at.String())
	expect(t, "any", p.door(t.Context(), &Service{Addr: "127.0.0.1:0"}), OK)
	expect(t, "elsewhere", p.door(t.Context(), &Service{Addr: "192.0.2.7:9099", Setting: "KAFKA_API_PORT"}), Fail, "192.0.2.7", "HXP_BIND")
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(path string) Finding { return writable(Folder{"data folder", path, "HXP_DATA_DIR"}) }
	expect(t, "there", look(dir), OK, dir)
	expect(t, "to be made", look(filepath.Join(dir, "a", "b")), OK, "is made at the start")
	expect(t, "below a file", look(filepath.Join(file, "data")), Fail, file, "no folder", "HXP_DATA_DIR")
	if os.Geteuid() != 0 { // root may write everywhere
		shut := filepath.Join(dir, "shut")
		if err := os.Mkdir(shut, 0o500); err != nil {
			t.Fatal(err)
		}
		expect(t, "not ours to write", look(shut), Fail, shut, "chown")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 2 {
		t.Errorf("something is left behind: %v, %v", left, err)
	}
	if f := room(filepath.Join(dir, "a")); !strings.Contains(f.Detail, "the disk of "+dir) {
		t.Errorf("the disk of a folder that is to be made: %+v", f)
	}
}

// A disk is told of while there is still time, and fails before writes do.
func TestDisks(t *testing.T) {
	const gib = 1 << 30
	for what, c := range map[string]struct {
		s     space
		want  Status
		words string
	}{
		"half":             {space{total: 100 * gib, free: 50 * gib}, OK, "50 GiB are free"},
		"nearly full":      {space{total: 100 * gib, free: 9 * gib}, Warn, "91 % of the disk of /d is in use"},
		"full":             {space{total: 100 * gib, free: gib / 2}, Fail, "hxp retention plan"},
		"large and full":   {space{total: 1000 * gib, free: 8 * gib}, Fail, "99 %"},
		"small":            {space{total: gib, free: 200 << 20}, Fail, "200 MiB are free"},
		"without inodes":   {space{total: 100 * gib, free: 50 * gib, files: 1000}, Fail, "out of inodes"},
		"inodes are there": {space{total: 100 * gib, free: 50 * gib, files: 1000, freeFiles: 1}, OK, "free"},
	} {
		expect(t, what, judge("/d", c.s), c.want, c.words)
	}
}

// What lets others in is read as hxp reads it, and its end is told before it comes.
func TestKeys(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	look := func(r KeysRead, err error) Finding {
		return (&Keys{Setting: "HXP_X_FILE", Read: func() (KeysRead, error) { return r, err }}).look(now)
	}
	expect(t, "for ever", look(KeysRead{Detail: "3 may come in"}, nil), OK, "3 may")
	expect(t, "for long", look(KeysRead{Detail: "it holds", Ends: now.Add(30 * 24 * time.Hour)}, nil), OK, "it holds, until 2026-03-31")
	expect(t, "for days", look(KeysRead{Ends: now.Add(6 * 24 * time.Hour)}, nil), Warn, "ends at 2026-03-07", "HXP_X_FILE")
	expect(t, "over", look(KeysRead{Ends: now}, nil), Fail, "ended at")
	expect(t, "empty", look(KeysRead{Lacks: "there are none", Cure: "make some"}, nil), Warn, "there are none", "make some")
	expect(t, "broken", look(KeysRead{}, fs.ErrPermission), Fail, "permission", "HXP_X_FILE")
}

// What a service says of its disk is told, but for what the disk's own check says already.
func TestDiskOfAService(t *testing.T) {
	s := told(map[string]string{"/health": `{"status":"degraded","checks":{"disk":{"status":"degraded","detail":"nearly full"},"broker":{"status":"degraded","detail":"the disk of the broker is nearly full"}}}`})
	p := &Plan{DataDir: t.TempDir()}
	if f := p.room(); f.Status == OK {
		expect(t, "its own", p.wellness(t.Context(), s), Warn, "disk: nearly full", "broker: the disk")
	}
	p.Reserve = 1 << 60
	expect(t, "less than the reserve", p.room(), Warn, "HXP_BROKER_DISK_RESERVE")
	p.Embedded = true
	expect(t, "and a broker that writes there", p.room(), Fail, "takes no event")
	if f := p.wellness(t.Context(), s); f.Status != "" {
		t.Errorf("the disk is told twice: %+v", f)
	}
}

// A user who may make no tables is in the way of the next month, too, when the schema is that of this hxp.
func TestBarredUser(t *testing.T) {
	expect(t, "an empty database", schema(store.Inspection{There: true, Barred: true, Pending: 3}, nil), Fail, "3 steps", "GRANT CREATE")
	expect(t, "a schema that is up to date", schema(store.Inspection{There: true, Barred: true, Done: 3}, nil), Warn, "each month", "GRANT CREATE")
	expect(t, "the owner", schema(store.Inspection{There: true, Done: 3}, nil), OK)
}

func TestDataFolderInUse(t *testing.T) {
	p := &Plan{DataDir: t.TempDir()}
	expect(t, "nobody", p.claimed(), OK)
	unlock, err := atomicfile.Lock(filepath.Join(p.DataDir, "hxp.lock"))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "a stranger", p.claimed(), Fail, fmt.Sprint(os.Getpid()), "--data-dir")
	p.running = map[string]string{"kafka-api": "v1"}
	expect(t, "the running one", p.claimed(), OK, fmt.Sprint(os.Getpid()))
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	expect(t, "it has ended", p.claimed(), OK, "no other")
}

func TestLastCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.log")
	expect(t, "no file", crash(path), OK)
	if err := os.WriteFile(path, []byte("panic: first\n\ngoroutine 1 [running]:\nmain.main()\n\npanic: second [recovered]\n\ngoroutine 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, "two", crash(path), Warn, "panic: second", path)
	old := time.Now().Add(-30 * 24 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	expect(t, "long ago", crash(path), OK, "panic: second")
}

func TestMemory(t *testing.T) {
	p := &Plan{Memory: Memory{Limit: 1 << 28, Need: 1 << 30, Setting: "A_MEMORY_GB"}}
	expect(t, "limit below need", p.memory(), Warn, "A_MEMORY_GB", "256 MiB", "1024 MiB")
	p.Memory.Limit = 1 << 60
	if has, _ := memoryOf(); has > 0 {
		expect(t, "limit above the machine", p.memory(), Warn, "lower A_MEMORY_GB")
	}
	p.OpenFiles = 1 << 62
	if _, known := openFiles(); known {
		expect(t, "files", p.files(), Warn, "LimitNOFILE=")
	}
}

func TestClocks(t *testing.T) {
	here := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ahead time.Duration
		exact bool
		want  Status
	}{{0, true, OK}, {-5 * time.Second, true, Warn}, {2 * time.Minute, true, Fail}, {-2 * time.Hour, false, OK}, {5 * time.Second, false, Warn}, {time.Hour, false, Fail}} {
		expect(t, c.ahead.String(), clocks("the database says", here.Add(c.ahead), here, c.exact), c.want)
	}
}

// A check that hangs is told of, and holds nothing up for longer than its bound.
func TestCheckThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		began := time.Now()
		c := check{"dead disk", local, func(context.Context) Finding { <-release; return ok("late") }}
		f := c.run(t.Context())
		expect(t, "hangs", f, Fail, "no answer within 2s")
		if took := time.Since(began); took != local+time.Second {
			t.Errorf("it took %s", took)
		}
		close(release)
	})
}

// told is a service that answers paths with JSON.
func told(answers map[string]string) *Service {
	return &Service{Name: "x", Ask: func(_ context.Context, path string, to any) error {
		text, known := answers[path]
		for p, a := range answers {
			if !known && strings.HasSuffix(p, "*") && strings.HasPrefix(path, strings.TrimSuffix(p, "*")) {
				text, known = a, true
			}
		}
		if !known {
			return fmt.Errorf("404 %s", path)
		}
		return json.Unmarshal([]byte(text), to)
	}}
}

func TestQuestions(t *testing.T) {
	const status = `{"detail":{"hourly":{"dirty":%d,"completeness":%s,"last_error":%s},"daily":{"dirty":0,"completeness":1}}}`
	for _, c := range []struct {
		what    string
		look    func(context.Context, *Service) Finding
		answers map[string]string
		want    Status
		words   []string
	}{
		{"healthy", (&Plan{}).wellness, map[string]string{"/health": `{"status":"healthy","checks":{"broker":{"status":"healthy","detail":"answers"}}}`}, OK, []string{"broker"}},
		{"degraded", (&Plan{}).wellness, map[string]string{"/health": `{"status":"degraded","checks":{"lake":{"status":"degraded","detail":"disk is slow"},"store":{"status":"healthy","detail":"fine"}}}`}, Warn, []string{"lake: disk is slow"}},
		{"unhealthy", (&Plan{}).wellness, map[string]string{"/health": `{"status":"unhealthy","checks":{"store":{"status":"unhealthy","detail":"away"}}}`}, Fail, []string{"store: away"}},
		{"gone", (&Plan{}).wellness, nil, Fail, []string{"404"}},
		{"no DAG paused", paused, map[string]string{"/dags": `{"dags":[{"dag_id":"a"},{"dag_id":"b","paused":true,"disabled":true}]}`}, OK, nil},
		{"a DAG paused", paused, map[string]string{"/dags": `{"dags":[{"dag_id":"a","paused":true},{"dag_id":"b"}]}`}, Warn, []string{"so nothing of it runs by itself: a", "hxp dags unpause a"}},
		{"mended since", failures, map[string]string{"/runs?limit=200": `{"runs":[{"id":"2","dag_id":"a","state":"success"},{"id":"1","dag_id":"a","state":"failed"}]}`}, OK, nil},
		{"failed last", failures, map[string]string{"/runs?limit=200": `{"runs":[{"id":"3","dag_id":"a","state":"running"},{"id":"2","dag_id":"a","state":"failed","tasks":[{"task_id":"t","error":"disk full"}]},{"id":"1","dag_id":"a","state":"success"}]}`}, Fail,
			[]string{"a, run 2: t: disk full", "hxp runs logs 2"}},
		{"complete", completeness, map[string]string{"/aggregation/status": fmt.Sprintf(status, 0, "1", "null")}, OK, nil},
		{"incomplete", completeness, map[string]string{"/aggregation/status": fmt.Sprintf(status, 3, "0.5", `"no such file"`)}, Warn, []string{"hourly: 3 ended periods", "no such file", "hxp dags trigger hxp_hourly_aggregation"}},
		{"days behind", completeness, map[string]string{"/aggregation/status": `{"detail":{"hourly":{"completeness":1},"daily":{"dirty":2,"completeness":0}}}`}, Warn, []string{"daily: 2 ended periods", "hxp dags backfill hxp_daily_aggregation"}},
		{"windows", windows, map[string]string{"/analytics/performance": `{"consumer_lag":12,"completeness":0.9999,"partitions":[{"lag":12}]}`}, OK, []string{"12"}},
		{"windows behind", windows, map[string]string{"/analytics/performance": `{"consumer_lag":20000,"events_per_second":5,"completeness":0.9}`}, Warn, []string{"20000"}},
		{"windows stuck", windows, map[string]string{"/analytics/performance": `{"consumer_lag":20000,"completeness":0.5,"partitions":[{"lag":20000,"lost":2}]}`}, Fail, []string{"stuck"}},
		{"windows lack", windows, map[string]string{"/analytics/performance": `{"completeness":0.99,"partitions":[{"lost":3},{"counting_again":4},{"counted_elsewhere":5}]}`}, Warn, []string{"lack 12 records"}},
		{"old letters", letters, map[string]string{"/dead-letters/summary": `{"total":7,"open":{"x":7}}`, "/dead-letters/summary?since=*": `{}`}, OK, []string{"7"}},
		{"new letters", letters, map[string]string{"/dead-letters/summary": `{"total":9}`, "/dead-letters/summary?since=*": `{"open":{"negative":1,"wrong_type":4}}`}, Warn, []string{"4 of wrong_type; 1 of negative", "--reason wrong_type"}},
		{"no answer", letters, nil, Warn, []string{"cannot be asked"}},
	} {
		expect(t, c.what, c.look(t.Context(), told(c.answers)), c.want, c.words...)
	}
}

// A group that lags is looked at twice; those of hxp itself are not.
func TestGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := map[string]int64{"still": 5, "goes-on": 5}
		s := &Service{Ask: func(_ context.Context, path string, to any) error {
			id := strings.TrimPrefix(path, "/consumer-groups/")
			if id == path {
				return json.Unmarshal([]byte(`{"groups":[{"id":"still","lag":9},{"id":"goes-on","lag":9},{"id":"hxp-event-processing","lag":9,"own":true},{"id":"idle","lag":0}]}`), to)
			}
			if id == "goes-on" {
				at[id]++
			}
			return json.Unmarshal(fmt.Appendf(nil, `{"id":%q,"state":"Empty","lag":9,"partitions":[{"topic":"t","partition":0,"position":%d,"lag":9}]}`, id, at[id]), to)
		}}
		f := groups(t.Context(), s)
		expect(t, "groups", f, Warn, "still (empty) is 9 records behind")
		if strings.Contains(f.Detail, "goes-on") || strings.Contains(f.Detail, "hxp-event-processing") {
			t.Errorf("%s", f.Detail)
		}
		s.Ask = told(map[string]string{"/consumer-groups?limit=1000": `{"groups":[{"id":"idle","lag":0}]}`}).Ask
		expect(t, "none lags", groups(t.Context(), s), OK)
	})
}

func TestWebhooks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := "http://" + l.Addr().String() + "/secret-part"
	f := hooked(t.Context(), Hook{"webhook", address, deliver.NewHooks(nil)})
	expect(t, "this machine", f, Fail, "HXP_WEBHOOK_ALLOW")
	if strings.Contains(f.Detail, "secret-part") {
		t.Errorf("%s", f.Detail)
	}
	allowed := deliver.NewHooks([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	expect(t, "allowed", hooked(t.Context(), Hook{"webhook", address, allowed}), OK, "127.0.0.1")
}

func TestSettings(t *testing.T) {
	found := Settings([]string{"kafka-api.yaml:2:3: service.prot: unknown"}, []string{"it has no effect"}, 3)
	if len(found) != 2 {
		t.Fatal(found)
	}
	expect(t, "fault", found[0], Fail, "prot")
	expect(t, "warning", found[1], Warn, "no effect")
	expect(t, "good", Settings(nil, nil, 3)[0], OK, "3")
}
