package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Two instances of the fast path, which share their state and act on a system, are killed at random points under load: while they
// work, while they start, and both at once. Windows, joined requests and alerts are the fold of what was acknowledged, each alert is
// told once, and nothing is done twice about it. HXP_KILLS=200 says how often.
func TestOnKafkaInstancesOverKills(t *testing.T) {
	k := realKafka(t)
	kills := 12
	if text := os.Getenv("HXP_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal("HXP_KILLS: ", err)
		}
	}
	acts := newLedger(t)
	s := newSquall(t, k.plain, 2, uint64(kills), "alert", "--config", acts.config(t))
	tag, hour := ofThisRun()
	s.rule(tag, `,"mode":"auto","actions":[{"type":"scale","target":"ledger","with":{"user":"{user_id}"}}]`)
	l := steady(s.home, tag, hour, 60)
	var alarm alarms
	quiet := alarm.begin(s.home, tag, time.Second)
	want, msgs := named(tag, s.rnd, 10*kills)
	for done := 0; done < kills; {
		msgs = s.some(msgs)
		done += s.strike()
	}
	if len(msgs) > 0 {
		s.home.deliver(t, msgs)
	}
	quiet()
	rs := l.end(t)
	t.Logf("%d events, %d users, %d requests to join; %v; the slowest start took %v", len(rs), len(alarm.users), len(want), s.did, s.slow)
	s.counted(hour, rs)
	s.told(tag, &alarm, false)
	s.joined(want)
	acts.agrees(t, s.others[0], tag, &alarm)
}

// strike kills one instance, or both, and lets them start again. It tells how many kills that were.
func (s *squall) strike() (kills int) {
	o := s.others[s.rnd.IntN(len(s.others))]
	pause := func(most time.Duration) { time.Sleep(rand.N(most)) }
	switch s.rnd.IntN(6) {
	case 0:
		s.did["all at once"]++
		for _, o := range s.others {
			o.kill()
			o.launch(s.t)
		}
		for _, o := range s.others {
			o.await(s.t)
		}
		kills = len(s.others)
	case 1, 2:
		s.did["while it starts"]++
		o.kill()
		o.launch(s.t)
		pause(time.Second)
		o.kill()
		s.up(o)
		kills = 2
	default:
		s.did["while it works"]++
		o.kill()
		pause(1500 * time.Millisecond)
		s.up(o)
		kills = 1
	}
	pause(2500 * time.Millisecond)
	return kills
}

// ledger is a system that is changed once for each user, and takes its time.
type ledger struct {
	*httptest.Server
	mu   sync.Mutex
	made map[string]int // changes by user
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{made: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /made/{user}", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		fmt.Fprintf(w, `{"made":%v}`, l.made[r.PathValue("user")] > 0)
	})
	mux.HandleFunc("POST /made/{user}", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(rand.N(150 * time.Millisecond)) // so that kills come before a change, and between it and its answer
		l.mu.Lock()
		l.made[r.PathValue("user")]++
		l.mu.Unlock()
		time.Sleep(rand.N(150 * time.Millisecond))
	})
	l.Server = httptest.NewServer(mux)
	t.Cleanup(l.Close)
	return l
}

// config is a folder in which rules may change the ledger by themselves.
func (l *ledger) config(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`responses:
  automatic: true
  deadline: 1s
  settle: 1ms
  lease: 24h
  max_lease: 24h
  action_burst: 100
  action_refill: 1s
  total_burst: 100
  total_refill: 1s
  targets:
    - name: ledger
      type: http
      url: %s
      check: GET /made/{user}
      field: made
      apply: POST /made/{user}
      revert: DELETE /made/{user}
`, l.URL)
	if err := os.MkdirAll(filepath.Join(dir, "services"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "services", "event-processing-api.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// agrees wants the account of the changes and the ledger to say the same: each was made once, and none that nobody asked for. A rail
// may have stood in the way of some; the account says which, or that nothing follows from alerts that are a minute old.
func (l *ledger) agrees(t *testing.T, o *instance, tag string, a *alarms) {
	t.Helper()
	var applied map[string]int
	var ended map[string]int
	eventually(t, 2*time.Minute, "nothing is under way any more", func() (over bool) {
		applied, ended, over = o.account(t, tag+"-window")
		return over
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for user, n := range l.made {
		if n != 1 || applied[user] != 1 || !a.users[user] {
			t.Errorf("%s: changed %d times, the account says %d, asked for: %v", user, n, applied[user], a.users[user])
		}
	}
	for user, n := range applied {
		if l.made[user] != n {
			t.Errorf("%s: the account says that it was changed %d times, it was %d times", user, n, l.made[user])
		}
	}
	t.Logf("%d of %d users were acted on; responses are %v", len(l.made), len(a.users), ended)
	if 2*len(l.made) < len(a.users) {
		t.Errorf("%d of %d users were acted on: rails stood in the way of most", len(l.made), len(a.users))
	}
	var verdict struct{ Valid bool }
	if o.get(t, "event-processing-api", "/responses/audit/verify", &verdict); !verdict.Valid {
		t.Error("the chain of the account is broken")
	}
}

// account counts the changes that responses to a rule have made, by user, and responses by what became of them. It is over when no more
// will become of any: what is in place stays so for the time of the test.
func (h *instance) account(t *testing.T, rule string) (applied, ended map[string]int, over bool) {
	t.Helper()
	applied, ended, over = map[string]int{}, map[string]int{}, true
	for cursor := ""; ; {
		var page struct {
			Responses []struct {
				State, Rail string
				Key         map[string]string
				AppliedAt   *time.Time `json:"applied_at"`
			}
			Next *string `json:"next_cursor"`
		}
		h.get(t, "event-processing-api", "/responses?limit=1000&rule="+rule+cursor, &page)
		for _, r := range page.Responses {
			if r.AppliedAt != nil {
				applied[r.Key["user_id"]]++
			}
			ended[strings.TrimSpace(r.State+" "+r.Rail)]++
			over = over && slices.Contains([]string{"verified", "refused", "expired", "failed"}, r.State)
		}
		if page.Next == nil {
			return applied, ended, over
		}
		cursor = "&cursor=" + *page.Next
	}
}
