package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// erasure is what hxp erase and hxp erase verify tell of topics.
type erasure struct {
	State  string
	Erased bool
	Left   []struct {
		Where, Ends string
		Count       int64
	}
	Topics []erasedTopic
}

type erasedTopic struct {
	Topic string
	Cuts  []struct {
		From, Before int64
		UnreadBy     []string `json:"unread_by"`
	}
}

// says tells whether something that is left in a topic is told with all of texts.
func (e *erasure) says(topic string, texts ...string) bool {
	for _, l := range e.Left {
		if strings.HasPrefix(l.Where, "topic "+topic) && !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(l.Ends, s) }) {
			return true
		}
	}
	return false
}

func (h *instance) erase(t *testing.T, args ...string) (e erasure) {
	t.Helper()
	out, errs, code := h.cli(t, append([]string{"erase", "--json", "--url", h.url("batch-processing-api")}, args...)...)
	if err := json.Unmarshal(out, &e); err != nil || e.State == "failed" {
		t.Fatalf("hxp erase %v: %d %s %s", args, code, out, errs)
	}
	return e
}

// allow gives the user hxp rights, until what it returns is called.
func (k kafka) allow(t *testing.T, args ...string) (until func()) {
	t.Helper()
	right := append([]string{"--allow-principal", "User:hxp"}, args...)
	k.java(t, "owner", "", "AclCommand", append([]string{"--add"}, right...)...)
	return func() { k.java(t, "owner", "", "AclCommand", append([]string{"--remove", "--force"}, right...)...) }
}

// On Apache Kafka a user leaves the topics on request. What stays, because of a right, a setting, a group of others or hxp itself, is told with
// its cure, until nothing stays.
func TestOnKafkaErasure(t *testing.T) {
	k := realKafka(t)
	tag, at := fmt.Sprintf("e%x", time.Now().UnixNano()), freshHours()()
	user, other, group := "gone-"+tag, "stays-"+tag, "billing-"+tag
	h := k.hxp(t)
	h.env = append(h.env, "EVENT_PROCESSING_SNAPSHOT_EVERY=1s", "EVENT_CORRELATION_WINDOW_SIZE=1")
	h.up(t)
	h.settled(t)
	lost, _ := h.lost(t)
	wrote := 0
	// write sends requests of somebody, feedback about them, and what is no event; it returns the id of the dead letter of that.
	write := func(who string, n int) string {
		t.Helper()
		var all []string
		for range n {
			wrote++
			all = append(all, fmt.Sprintf(`{"event_id":"%s-%d","event_type":"llm_request","timestamp":"%s","data":{"model":"m","request_id":"r%s-%d","user_id":"%s","success":true}}`, tag, wrote, stamp(at.Add(time.Duration(wrote)*time.Second)), tag, wrote, who),
				fmt.Sprintf(`{"event_type":"user_feedback","timestamp":"%s","data":{"request_id":"r%s-%d","user_id":"%s","satisfaction_score":4}}`, stamp(at.Add(time.Duration(wrote)*time.Second)), tag, wrote, who))
		}
		all = append(all, fmt.Sprintf(`{"event_type":"llm_request","data":{"model":"m","duration_ms":"fast","user_id":"%s"}}`, who))
		status, a := h.post(t, []byte(strings.Join(all, "\n")), nil)
		if status != 207 || a.Accepted != 2*n {
			t.Fatalf("%d %+v", status, a)
		}
		return a.Errors[0].DeadLetterID
	}
	before, gone, after := write(other, 20), write(user, 20), write(other, 20)
	k.java(t, "owner", "", "consumer.group.ConsumerGroupCommand", "--reset-offsets", "--group", group, "--topic", "llm-requests", "--to-earliest", "--execute")

	policy := func(is string) {
		t.Helper()
		tool(t, "", "java", "-cp", os.Getenv("HXP_REAL_KAFKA_TOOLS"), "kafka.admin.ConfigCommand", "--bootstrap-server", k.plain, "--alter", "--entity-type", "topics", "--entity-name", "user-feedback", "--add-config", "cleanup.policy="+is)
	}
	policy("compact")
	var r erasure
	told := func(what, topic string, texts ...string) { // brokers take a moment to know a right or a setting
		t.Helper()
		eventually(t, time.Minute, what, func() bool {
			r = h.erase(t, "--user", user, "--topics")
			return r.says(topic, texts...)
		})
	}

	if r = h.erase(t, "--user", user); !r.says("llm-requests", "--topics") || !r.says("hxp-dead-letters", "--topics") {
		t.Errorf("without a word: %+v", r)
	}
	told("that a right is missing", "llm-requests/", "Delete on llm-requests", "kafka-acls")
	names := []string{"--operation", "Delete"}
	for _, topic := range []string{"llm-requests", "user-feedback", "hxp-late", "hxp-joins", "hxp-correlations", "hxp-dead-letters"} {
		names = append(names, "--topic", topic)
	}
	defer k.allow(t, names...)()
	told("that groups may be hidden", "llm-requests/", "may not see", "--past-groups")
	defer k.allow(t, "--operation", "Describe", "--cluster", "--group", "*")()
	told("that a topic is compacted", "user-feedback/", "cleanup.policy=compact", "hxp topics alter user-feedback")
	policy("delete")

	told("that the group is in the way", "llm-requests/", group, "--past-groups")
	eventually(t, time.Minute, "a dry run past the group", func() bool {
		write(other, 20) // the windows write snapshots while something comes
		r = h.erase(t, "--user", user, "--topics", "--past-groups", "--dry-run")
		return slices.ContainsFunc(r.Topics, func(x erasedTopic) bool {
			return x.Topic == "llm-requests" && len(x.Cuts) > 0 && x.Cuts[0].Before > x.Cuts[0].From && slices.Contains(x.Cuts[0].UnreadBy, group)
		})
	})
	eventually(t, time.Minute, "nothing is left in topics", func() bool {
		write(other, 20)
		r = h.erase(t, "--user", user, "--topics", "--past-groups")
		return !r.says("")
	})
	out, errs, code := h.cli(t, "erase", "verify", "--user", user, "--json", "--url", h.url("batch-processing-api"))
	var v erasure
	if err := json.Unmarshal(out, &v); err != nil || code != 0 || !v.Erased {
		t.Errorf("verify: %d %s %s", code, out, errs)
	}
	letter := func(id string) int {
		t.Helper()
		res, _, err := call("GET", h.url("kafka-api")+"/dead-letters/"+id, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	eventually(t, time.Minute, "the letter of the user is gone", func() bool { return letter(gone) == 404 })
	if letter(before) != 200 || letter(after) != 200 {
		t.Errorf("dead letters of others answer %d and %d", letter(before), letter(after))
	}
	h.settled(t)
	if now, _ := h.lost(t); now != lost {
		t.Errorf("%d records are said to be lost, %d before", now, lost)
	}
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	h.up(t)
	h.settled(t)
	if letter(before) != 200 || letter(after) != 200 || letter(gone) != 404 {
		t.Errorf("after a restart dead letters answer %d, %d and %d", letter(before), letter(after), letter(gone))
	}
}
