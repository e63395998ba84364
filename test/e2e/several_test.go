package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Instances of the fast path over one broker are killed, stopped, and left asleep while others take their partitions: windows, joined
// requests and alerts are as though nothing had happened, on each of them.
func TestInstancesOverKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	storm(t, "127.0.0.1:0", 6*time.Second)
}

// TestOnKafkaInstances is the same for longer; HXP_STORM=5m says for how long.
func TestOnKafkaInstances(t *testing.T) {
	k := realKafka(t)
	long := 45 * time.Second
	if text := os.Getenv("HXP_STORM"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	storm(t, k.plain, long)
}

// named is traffic of n requests to join under ids of this run.
func named(tag string, rnd *rand.Rand, n int) (map[string]joinedRequest, []*bus.Message) {
	all, msgs := joinTraffic(rnd, n)
	want := map[string]joinedRequest{}
	for id, j := range all {
		want[tag+"-"+id] = j
	}
	for _, m := range msgs {
		m.Value = bytes.ReplaceAll(m.Value, []byte("join-"), []byte(tag+"-join-"))
		if bytes.HasPrefix(m.Key, []byte("join-")) {
			m.Key = append([]byte(tag+"-"), m.Key...)
		}
	}
	return want, msgs
}

// steady is load of so many events twenty times a second, which leaves the machine some room: what is tried is the storm.
func steady(h *instance, tag string, hour time.Time, batch int) *load {
	l := &load{stop: make(chan struct{})}
	l.wait.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-l.stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
			rs := generate(uint64(n), batch, fmt.Sprintf("%s-%d", tag, n), hour)
			for i := range rs {
				rs[i].model = fmt.Sprintf("%s-m%d", tag, i%3)
			}
			if !l.deliver(h, rs) {
				l.lost.Add(1)
				return
			}
			l.mu.Lock()
			l.acked = append(l.acked, rs...)
			l.mu.Unlock()
		}
	})
	return l
}

// squall is a storm under way.
type squall struct {
	t      *testing.T
	rnd    *rand.Rand
	home   *instance   // takes events, and is left alone
	others []*instance // fast paths that share its state folder
	asleep *instance
	did    map[string]int
	first  []string      // what is to be done before chance decides
	slow   time.Duration // the slowest start
}

// up starts an instance again.
func (s *squall) up(o *instance) {
	began := time.Now()
	o.up(s.t)
	s.slow = max(s.slow, time.Since(began))
}

// newSquall starts the way in, and instances of the fast path over its broker that share their state; args are further services and flags
// of theirs.
func newSquall(t *testing.T, broker string, instances int, seed uint64, args ...string) *squall {
	home := prepare(t, broker)
	home.env = append(home.env, "EVENT_CORRELATION_WINDOW_SIZE=3")
	if broker != "127.0.0.1:0" { // a broker of others: the way in alone
		home.services = []string{"run", "kafka-api"}
	}
	home.up(t)
	s := &squall{t: t, rnd: rand.New(rand.NewPCG(6, seed)), home: home, did: map[string]int{}}
	share := filepath.Join(home.dir, "data", "lake")
	if home.lake != "" {
		share = home.lake
	}
	for range instances {
		o := prepare(t, home.url("kafka"), args...)
		o.services, o.lake, o.keys = []string{"run", "event-processing-api"}, share, home.keys
		o.env = append(o.env, "EVENT_CORRELATION_WINDOW_SIZE=3", "EVENT_CORRELATION_BYTES=536870912", "EVENT_PROCESSING_GROUP_SESSION_TIMEOUT=6s") // a long run forgets nothing
		o.up(t)
		s.others = append(s.others, o)
	}
	return s
}

// ofThisRun are a tag for names, and an hour for events: the broker may have been there before.
func ofThisRun() (tag string, hour time.Time) {
	return fmt.Sprintf("storm%d", os.Getpid()), time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(os.Getpid()%8000) * time.Hour)
}

func storm(t *testing.T, broker string, long time.Duration) {
	s := newSquall(t, broker, 3, uint64(long))
	s.first = []string{"kill", "sleep", "stop"}
	tag, hour := ofThisRun()
	s.rule(tag, "")
	l := steady(s.home, tag, hour, 150)
	var alarm alarms
	quiet := alarm.begin(s.home, tag, max(long/300, 100*time.Millisecond))
	want, msgs := named(tag, s.rnd, 300)
	for end := time.Now().Add(long); time.Now().Before(end) || len(s.first) > 0; { // on a slow machine few steps fit, but each kind is there
		msgs = s.some(msgs)
		s.step()
	}
	if len(msgs) > 0 {
		s.home.deliver(t, msgs)
	}
	s.wake()
	quiet()
	rs := l.end(t)
	t.Logf("%d events, %d users, %d requests to join; %v; the slowest start took %v", len(rs), len(alarm.users), len(want), s.did, s.slow)
	s.counted(hour, rs)
	s.told(tag, &alarm, true)
	s.joined(want)
}

// some delivers a few messages and returns the rest.
func (s *squall) some(msgs []*bus.Message) (rest []*bus.Message) {
	n := min(len(msgs), 10+s.rnd.IntN(30))
	if n > 0 {
		s.home.deliver(s.t, msgs[:n])
	}
	return msgs[n:]
}

// counted wants the windows of each instance to be the fold of some requests.
func (s *squall) counted(hour time.Time, rs []request) {
	for i, o := range s.others {
		name := fmt.Sprint("instance ", i)
		eventually(s.t, 60*time.Second, name+" has counted", func() bool { all, _ := o.window(s.t, hour); return all.requests >= int64(len(rs)) })
		all, models := o.window(s.t, hour)
		same(s.t, name, all, models, rs)
	}
}

// joined wants each instance to show each request joined as it must be.
func (s *squall) joined(want map[string]joinedRequest) {
	for i, o := range s.others {
		o.joinedEach(s.t, fmt.Sprint("instance ", i), want)
	}
}

// step does something to an instance, and gives it a moment.
func (s *squall) step() {
	o := s.others[s.rnd.IntN(len(s.others))]
	what := []string{"kill", "kill", "stop", "sleep"}[s.rnd.IntN(4)]
	if len(s.first) > 0 {
		what, s.first = s.first[0], s.first[1:]
		if o == s.asleep {
			s.wake()
		}
	}
	switch {
	case what == "sleep": // longer than its session at times: others take its partitions, and it writes on when it wakes
		s.wake()
		s.asleep = o
		s.signal(o, syscall.SIGSTOP)
	case o == s.asleep:
		what = "wake"
		s.wake()
	case what == "kill":
		o.kill()
		time.Sleep(time.Duration(s.rnd.IntN(1500)) * time.Millisecond)
		s.up(o)
	default:
		if code := o.stop(s.t); code != 0 {
			s.t.Errorf("exit %d after SIGTERM", code)
		}
		s.up(o)
	}
	s.did[what]++
	time.Sleep(time.Duration(s.rnd.IntN(2500)) * time.Millisecond)
}

func (s *squall) wake() {
	if s.asleep != nil {
		s.signal(s.asleep, syscall.SIGCONT)
		s.asleep = nil
	}
}

func (s *squall) signal(o *instance, sig syscall.Signal) {
	if err := o.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// rule puts two rules: of single events, and of what a user comes to in a day. The latter has further keys, as JSON after a comma.
func (s *squall) rule(tag, more string) {
	for name, text := range map[string]string{
		"single": `{"type":"sequence","steps":["event_type == \"llm_request\" && data.success == false && source == \"kills\""],"within":"10m","keep_firing_for":"24h","group_by":["request_id"],"max_groups":100000}`,
		"window": `{"type":"threshold","when":"event_type == \"llm_request\" && source == \"kills\"","metric":"errors","op":">","value":20,"window":"24h","keep_firing_for":"24h","group_by":["user_id"],"max_groups":100000` + more + `}`,
	} {
		res, body, err := call("PUT", s.others[0].url("event-processing-api")+"/rules/"+tag+"-"+name, map[string]string{"Content-Type": "application/json"}, []byte(text))
		if err != nil || res.StatusCode >= 300 {
			s.t.Fatalf("PUT %s: %v %s", name, err, body)
		}
		for _, o := range s.others {
			eventually(s.t, 20*time.Second, "the rule counts everywhere", func() bool {
				res, _, err := call("GET", o.url("event-processing-api")+"/rules/"+tag+"-"+name, nil, nil)
				return err == nil && res.StatusCode == http.StatusOK
			})
		}
	}
}

// alarms are users with so many failures that each must be told of, and all of their requests.
type alarms struct {
	mu         sync.Mutex
	users, ids map[string]bool
}

// begin sends them, one at a time; stop ends that and waits.
func (a *alarms) begin(h *instance, tag string, pause time.Duration) (stop func()) {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		a.send(h, tag, pause, over)
	}()
	return func() { close(over); <-done }
}

func (a *alarms) send(h *instance, tag string, pause time.Duration, stop <-chan struct{}) {
	a.users, a.ids = map[string]bool{}, map[string]bool{}
	l := &load{stop: make(chan struct{})}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
		user := fmt.Sprintf("%s-u%d", tag, n)
		body, ids := outageOf(user, 25)
		if !l.send(h, body) {
			return
		}
		a.mu.Lock()
		a.users[user] = true
		for _, id := range ids {
			a.ids[id] = true
		}
		a.mu.Unlock()
	}
}

// told wants one episode for each user and each request. Whoever slept, or was too slow for its session, may say again what was said.
func (s *squall) told(tag string, a *alarms, slept bool) {
	want := map[string]map[string]bool{tag + "-single": a.ids, tag + "-window": a.users}
	var episodes map[string]map[string]map[string]int
	eventually(s.t, 120*time.Second, "every alert fires", func() bool {
		episodes = s.home.episodes(s.t)
		for name, keys := range want {
			if len(episodes[name]) < len(keys) {
				return false
			}
		}
		return true
	})
	for name, keys := range want {
		again := 0
		for key, ids := range episodes[name] {
			if len(ids) != 1 || !keys[key] {
				s.t.Errorf("%s of %s fired in %d episodes, expected: %v", name, key, len(ids), keys[key])
			}
			for _, n := range ids {
				again += n - 1
			}
		}
		s.t.Logf("%s: %d fired, %d records say so again", name, len(keys), again)
		if again > 0 && !slept {
			s.t.Errorf("%s: %d times it is told again that an alert fires", name, again)
		}
	}
}

// episodes counts, by rule, key and id, how often hxp-alerts says that one fires.
func (h *instance) episodes(t *testing.T) map[string]map[string]map[string]int {
	t.Helper()
	out := map[string]map[string]map[string]int{}
	for _, m := range h.records(t, event.TopicAlerts) {
		var d struct {
			ID, Rule, State, Version string
			Key                      json.RawMessage
		}
		if err := json.Unmarshal(m.Value, &d); err != nil {
			t.Fatalf("%v in %s", err, m.Value)
		}
		var keys map[string]string
		if d.Version == "" || d.State != "firing" || json.Unmarshal(d.Key, &keys) != nil {
			continue
		}
		if out[d.Rule] == nil {
			out[d.Rule] = map[string]map[string]int{}
		}
		for _, key := range keys {
			if out[d.Rule][key] == nil {
				out[d.Rule][key] = map[string]int{}
			}
			out[d.Rule][key][d.ID]++
		}
	}
	return out
}

// joinedEach waits until an instance shows each request joined as it must be.
func (h *instance) joinedEach(t *testing.T, name string, want map[string]joinedRequest) {
	t.Helper()
	end := time.Now().Add(60 * time.Second)
	for id, j := range want {
		for {
			var page correlations
			h.get(t, "event-processing-api", "/correlations?request_id="+url.QueryEscape(id), &page)
			var got []joinedRequest
			for _, c := range page.Correlations {
				got = append(got, joinedRequest{c.Request != nil, len(c.Feedback), len(c.Business)})
			}
			if len(got) == 1 && got[0] == j && page.Correlations[0].Status == j.status() {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %s is joined as %+v, want %+v", name, id, got, j)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}
