package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// Kills while events come in all three ways: over HTTP, straight into the topic, and by a replay that each kill interrupts
// and that is begun again from its first row.
func TestKillsWithEveryWayIn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	everyWay(t, 4)
}

func TestRealKillsWithEveryWayIn(t *testing.T) {
	need(t, "", "")
	everyWay(t, killCount(t, 8))
}

// mostWritten bounds what is written besides the trace. Each replay begins again from the first row, and the windows know its
// events again only as long as the duplicate filters reach back to the first replay: 24 MiB hold 629,145 records of a partition,
// 1.9 million in three. A faster machine kills sooner.
const mostWritten = 1_200_000

func everyWay(t *testing.T, kills int) {
	h := start(t, "127.0.0.1:0")
	r := rand.New(rand.NewPCG(uint64(kills), 5))
	first := time.Now().UTC().Truncate(time.Hour).Add(-5 * time.Hour)
	overHTTP, intoTopic, trace := first, first.Add(time.Hour), first.Add(2*time.Hour)
	http := push(h, 2, "ways-http", overHTTP)
	topic := writeTopic(h, "ways-topic", intoTopic)
	rows := generate(31, 20_000, "ways-trace", trace)
	slices.SortFunc(rows, func(a, b request) int { return a.at.Compare(b.at) })
	file := filepath.Join(t.TempDir(), "trace.jsonl")
	if err := os.WriteFile(file, ndjson(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			close(http.stop)
			close(topic.stop)
		}
	}()
	cut := 0
	for k := range kills {
		seenHTTP, seenTopic := http.count(), topic.count()
		enough := seenHTTP + seenTopic + (mostWritten-seenHTTP-seenTopic)/(kills-k)
		replay := h.begin(t, "replay", "--speed", "600", file) // an hour in six seconds
		moment := time.After(time.Duration(300+r.IntN(1500)) * time.Millisecond)
		eventually(t, 30*time.Second, "events are acknowledged after a restart", func() bool { return http.count() > seenHTTP && topic.count() > seenTopic })
		eventually(t, 30*time.Second, "the moment of the kill", func() bool {
			select {
			case <-moment:
				return true
			default:
				return http.count()+topic.count() >= enough
			}
		})
		h.kill()
		if replay.end() {
			cut++
		}
		h.up(t)
	}
	stopped = true
	byHTTP, byTopic := http.end(t), topic.end(t)
	if s := h.replay(t, file); s.Read != len(rows) || s.Sent != len(rows) {
		t.Errorf("last replay: %+v, want %d rows", s, len(rows))
	}
	t.Logf("%d events over HTTP, %d into the topic, %d of %d replays interrupted", len(byHTTP), len(byTopic), cut, kills)
	if cut == 0 {
		t.Error("no replay was interrupted: the test tried nothing")
	}
	if reach := h.metric(t, "event-processing-api", "event_processing_duplicate_filter_reach_seconds"); reach != "-1" {
		t.Errorf("the duplicate filters reach back %s s, not to the first event: the windows may count again what was replayed", reach)
	}
	h.counted(t, overHTTP, byHTTP)
	h.counted(t, intoTopic, byTopic)
	h.counted(t, trace, rows)
	h.inLake(t, slices.Concat(byHTTP, byTopic, rows))
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
}

// background is a command of hxp that runs beside the test.
type background struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// begin starts a command of hxp against this instance.
func (h *instance) begin(t testing.TB, args ...string) *background {
	t.Helper()
	b := &background{cmd: exec.Command(binary, args...), done: make(chan struct{})}
	b.cmd.Env = append(cleanEnv(), "KAFKA_BOOTSTRAP_SERVERS="+h.url("kafka"), "HXP_DATA_DIR="+filepath.Join(h.dir, "data"))
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = b.cmd.Wait() // end tells what it came to
		close(b.done)
	}()
	t.Cleanup(func() { b.end() })
	return b
}

// end kills the command and tells whether it was still at work.
func (b *background) end() (interrupted bool) {
	select {
	case <-b.done:
		return b.cmd.ProcessState.ExitCode() != 0
	default:
	}
	_ = b.cmd.Process.Kill() // fails when it has ended meanwhile
	<-b.done
	return true
}

// writeTopic starts one writer that puts requests into their topic, keyed as hxp does, until it is stopped.
func writeTopic(h *instance, tag string, start time.Time) *load {
	l := &load{stop: make(chan struct{})}
	l.wait.Go(func() {
		d := &direct{instance: h}
		defer d.close()
		r := rand.New(rand.NewPCG(7, 2))
		for n := 0; ; n++ {
			batch := generate(r.Uint64(), []int{1, 7, 50, 200}[r.IntN(4)], fmt.Sprintf("%s-%d", tag, n), start)
			for i := range batch { // few models, so that groups are merged over restarts
				batch[i].model = fmt.Sprintf("%s-m%d", tag, i%3)
			}
			if !d.insist(l.stop, batch) {
				l.lost.Add(1)
				return
			}
			l.mu.Lock()
			l.acked = append(l.acked, batch...)
			l.mu.Unlock()
			select {
			case <-l.stop:
				return
			default:
			}
		}
	})
	return l
}

// direct is a producer on the topics. It connects anew after trouble, because a restarted broker has another port.
type direct struct {
	*instance
	bus      *bus.Bus
	producer *bus.Producer
}

// insist sends the same until it is acknowledged, for 20 s after the stop at most.
func (d *direct) insist(stop <-chan struct{}, rs []request) bool {
	var over <-chan time.Time
	for d.send(rs) != nil {
		select {
		case <-stop:
			stop, over = nil, time.After(20*time.Second)
		case <-over:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

func (d *direct) send(rs []request) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := d.connect(ctx); err != nil {
		return err
	}
	msgs := make([]*bus.Message, len(rs))
	for i, q := range rs {
		msgs[i] = &bus.Message{Topic: "llm-requests", Key: []byte(q.id), Value: q.line()}
	}
	err := d.producer.Send(ctx, msgs)
	if err != nil {
		d.close()
	}
	return err
}

func (d *direct) connect(ctx context.Context) (err error) {
	if d.bus != nil {
		return nil
	}
	if d.bus, err = bus.Connect(ctx, d.brokers(), slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	d.producer, err = d.bus.NewProducer(bus.ProducerOptions{})
	return err
}

func (d *direct) close() {
	if d.bus != nil {
		d.bus.Close()
		d.bus = nil
	}
}

// inLake wants the raw rows of the lake to name each request at least once, and nobody else.
func (h *instance) inLake(t testing.TB, rs []request) {
	t.Helper()
	var listed struct {
		Files []struct{ Path, Topic, State string }
	}
	out, errs, code := h.cli(t, "lake", "ls", "--json")
	if err := json.Unmarshal(out, &listed); err != nil || code != 0 {
		t.Fatalf("hxp lake ls: exit %d, %v in %.500s\n%s", code, err, out, errs)
	}
	type row struct {
		ID    string `parquet:"event_id"`
		Model string `parquet:"model,optional"`
	}
	models, copies := map[string]string{}, 0
	for _, f := range listed.Files {
		if f.Topic != "llm-requests" || f.State != "live" {
			continue
		}
		rows, err := parquet.ReadFile[row](filepath.Join(h.dir, "data", "lake", f.Path))
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		for _, r := range rows {
			if _, known := models[r.ID]; known {
				copies++
			}
			models[r.ID] = r.Model
		}
	}
	t.Logf("%d identities in the lake, %d copies beside them", len(models), copies)
	missing := 0
	for _, q := range rs {
		if models[q.id] != q.model {
			missing++
		}
		delete(models, q.id)
	}
	if missing > 0 {
		t.Errorf("%d of %d requests are not in the lake as they were sent", missing, len(rs))
	}
	for id := range models {
		if strings.HasPrefix(id, "ways-") {
			t.Errorf("%s is in the lake and was never acknowledged", id)
			break
		}
	}
}
