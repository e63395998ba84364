package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func (a *API) mountTopics(m *httpx.Mux) {
	bad, unfit := httpx.Answer("400", "a parameter or the body cannot be read"), httpx.Answer("422", "not possible like this; errors and detail say why")
	none, conflict := httpx.Answer("404", "there is no such topic"), httpx.Answer("409", "hxp needs it as it is, or it exists already")
	large, away := httpx.Answer("413", "the body is too large"), httpx.Answer("503", "the brokers do not answer, see Retry-After")
	name := httpx.InPath("name", "name of the topic", httpx.Text(1, 249))
	m.HandleFunc("GET /topics", a.asked(a.getTopics), httpx.Doc("Lists the topics."), httpx.Paging(), httpx.Answer("200", "the topics, by name", topicList{}), away)
	m.HandleFunc("POST /topics", a.asked(a.postTopic), httpx.Doc("Makes a topic. Settings have Kafka's names."),
		httpx.Body("application/json"), httpx.BodyOf(topicDoc("name")), httpx.Answer("201", "made; Location names it", Topic{}), bad, conflict, large, unfit, away)
	m.HandleFunc("GET /topics/{name}", a.asked(a.getTopic), httpx.Doc("Describes one topic with its settings and the bounds of its logs."), name, httpx.Answer("200", "the topic", Topic{}), none, away)
	m.HandleFunc("PATCH /topics/{name}", a.asked(a.patchTopic), httpx.Doc("Gives a topic more partitions and other settings; null sets one back to the broker's default."),
		name, httpx.Body("application/json"), httpx.BodyOf(topicDoc()), httpx.Answer("200", "the topic as it is now", Topic{}), bad, none, conflict, large, unfit, away)
	m.HandleFunc("DELETE /topics/{name}", a.asked(a.deleteTopic), httpx.Doc("Deletes a topic with everything in it; not those that hxp needs."),
		name, httpx.Answer("204", "deleted"), none, conflict, away)
	m.HandleFunc("GET /topics/{name}/messages", a.asked(a.getMessages), httpx.Doc("Reads messages of a topic, of one partition or of all of them."), name,
		httpx.Query("partition", "number of the partition; all of them when absent", httpx.Whole(0, math.MaxInt32)), httpx.Query("offset", "first offset; needs partition", httpx.Whole(0, math.MaxInt64)),
		httpx.Query("from", "messages that the broker took at this time or later; not together with offset", httpx.Time()), httpx.Query("key", "only messages with exactly this key", httpx.Text(0, maxFilterText)),
		httpx.Query("event_type", "only events of this type"), httpx.Query("contains", "only messages whose value has this text", httpx.Text(0, maxFilterText)),
		httpx.Paging(), httpx.Answer("200", "the messages, by time", messageList{}), bad, none, away)
}

// topicDoc describes topicBody.
func topicDoc(required ...string) httpx.Schema {
	name := any("string")
	if required == nil {
		name = []string{"string", "null"}
	}
	doc := httpx.Schema{"type": "object", "additionalProperties": false, "properties": map[string]any{
		"name":               httpx.Schema{"type": name, "pattern": "^[a-zA-Z0-9._-]{1,249}$"},
		"partitions":         httpx.Schema{"type": []string{"integer", "null"}, "minimum": 1, "maximum": maxTopicPartitions},
		"replication_factor": httpx.Schema{"type": []string{"integer", "null"}, "minimum": 1, "maximum": maxTopicReplicas},
		"config": httpx.Schema{"type": []string{"object", "null"}, "maxProperties": maxSettings, "propertyNames": httpx.Schema{"minLength": 1, "maxLength": 249},
			"additionalProperties": httpx.Schema{"type": []string{"string", "number", "boolean", "null"}}},
	}}
	if required != nil {
		doc["required"] = required
	}
	return doc
}

// topicBody is the wish of POST and PATCH. Both numbers are pointers because 0 is wrong and absent is not.
type topicBody struct {
	Name        *string            `json:"name"`
	Partitions  *int               `json:"partitions"`
	Replication *int               `json:"replication_factor"`
	Config      map[string]setting `json:"config"`
}

// setting is the value of a setting: text, or a number or truth value that is taken as its text; null = the broker's default.
type setting struct{ text *string }

// UnmarshalJSON takes a scalar.
func (s *setting) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch b[0] {
	case 'n':
		s.text = nil
	case '"':
		return json.Unmarshal(b, &s.text)
	case '{', '[':
		return wrong(http.StatusUnprocessableEntity, "/config", "wrong_type", "the value of a setting is text")
	default:
		s.text = new(string(b))
	}
	return nil
}

const (
	maxTopicPartitions = 10_000
	maxTopicReplicas   = 32
	maxSettings        = 64
)

// check refuses what no broker could do, before one is asked.
func (t *topicBody) check() error {
	unfit := func(where, code, detail string) error {
		return wrong(http.StatusUnprocessableEntity, where, code, detail)
	}
	if p := t.Partitions; p != nil && (*p < 1 || *p > maxTopicPartitions) {
		return unfit("/partitions", "out_of_range", fmt.Sprintf("%d is not a number from 1 to %d", *p, maxTopicPartitions))
	}
	if n := t.Replication; n != nil && (*n < 1 || *n > maxTopicReplicas) {
		return unfit("/replication_factor", "out_of_range", fmt.Sprintf("%d is not a number from 1 to %d", *n, maxTopicReplicas))
	}
	if len(t.Config) > maxSettings {
		return unfit("/config", "too_many", fmt.Sprintf("%d settings are more than %d", len(t.Config), maxSettings))
	}
	for name := range t.Config {
		if name == "" || len(name) > 249 {
			return unfit("/config", "unknown_field", fmt.Sprintf("there is no setting %q of topics", clip(name)))
		}
	}
	return nil
}

func (t *topicBody) settings() map[string]*string {
	out := make(map[string]*string, len(t.Config))
	for name, v := range t.Config {
		out[name] = v.text
	}
	return out
}

// complete gives the wish what hxp gives a topic of its own.
func (t *topicBody) complete(own event.Topic) {
	if t.Partitions == nil && own.Partitions > 0 {
		t.Partitions = &own.Partitions
	}
	if t.Config == nil {
		t.Config = map[string]setting{}
	}
	if _, given := t.Config["retention.ms"]; !given {
		ms := int64(-1)
		if own.Retention > 0 {
			ms = own.Retention.Milliseconds()
		}
		t.Config["retention.ms"] = setting{new(strconv.FormatInt(ms, 10))}
	}
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func (a *API) postTopic(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	var t topicBody
	if err := bodyOf(w, r, &t); err != nil {
		return err
	}
	name := ""
	if t.Name != nil {
		name = *t.Name
	}
	if err := bus.TopicName(name); err != nil {
		return wrong(http.StatusUnprocessableEntity, "/name", "bad_name", err.Error())
	}
	own, ours := event.TopicNamed(name)
	if !ours && (strings.HasPrefix(name, "hxp-") || strings.HasPrefix(name, "__")) {
		return wrong(http.StatusUnprocessableEntity, "/name", "reserved", "names that begin with hxp- or __ belong to hxp and to Kafka")
	}
	if err := t.check(); err != nil {
		return err
	}
	if ours { // it was deleted behind our back: what is not said is as hxp makes it
		t.complete(own)
	}
	if err := a.lossless(name, &t); err != nil {
		return err
	}
	if err := a.bus.CreateTopic(ctx, bus.NewTopic{Name: name, Partitions: deref(t.Partitions), Replication: deref(t.Replication), Config: t.settings()}); err != nil {
		return inConfig(err, &t)
	}
	a.log.Info("topic made", "topic", name, "request_id", httpx.RequestID(r.Context()))
	httpx.Changed(ctx, nil, t.wished())
	made, err := a.topic(ctx, name)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/topics/"+name)
	httpx.JSON(w, http.StatusCreated, made)
	return nil
}

func (a *API) patchTopic(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	var t topicBody
	if err := bodyOf(w, r, &t); err != nil {
		return err
	}
	info, err := a.topicInfo(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case t.Name != nil && *t.Name != name:
		return wrong(http.StatusUnprocessableEntity, "/name", "fixed", "a topic keeps its name")
	case t.Replication != nil && *t.Replication != info.Replication:
		return wrong(http.StatusUnprocessableEntity, "/replication_factor", "fixed", "replicas are moved with the tools of the brokers (kafka-reassign-partitions), not here")
	case t.Partitions != nil && *t.Partitions < info.Partitions && *t.Partitions > 0:
		return wrong(http.StatusUnprocessableEntity, "/partitions", "fewer", fmt.Sprintf("the topic has %d partitions and never gets fewer", info.Partitions))
	case t.Partitions == nil && len(t.Config) == 0 && t.Replication == nil && t.Name == nil:
		return wrong(http.StatusUnprocessableEntity, "/", "empty", "name partitions or config, or there is nothing to change")
	}
	if err := t.check(); err != nil {
		return err
	}
	if err := a.mayChange(info, &t); err != nil {
		return err
	}
	if _, input := event.KindOfTopic(name); input && deref(t.Partitions) > info.Partitions { // the journal of the windows has a partition for each number of the input
		if err := a.bus.Grow(ctx, event.TopicPanes, deref(t.Partitions)); err != nil {
			return err
		}
	}
	if err := a.bus.AlterTopic(ctx, name, deref(t.Partitions), t.settings()); err != nil {
		return inConfig(err, &t)
	}
	a.log.Info("topic changed", "topic", name, "partitions", deref(t.Partitions), "settings", len(t.Config), "request_id", httpx.RequestID(r.Context()))
	httpx.Changed(ctx, t.before(info), t.wished())
	now, err := a.topic(ctx, name)
	if err == nil {
		httpx.JSON(w, http.StatusOK, now)
	}
	return err
}

// wished and before are what was asked for of a topic, and what that was before, as the audit shows them.
func (t *topicBody) wished() map[string]any {
	out := map[string]any{}
	if t.Partitions != nil {
		out["partitions"] = *t.Partitions
	}
	if t.Replication != nil {
		out["replication_factor"] = *t.Replication
	}
	for name, value := range t.Config {
		out[name] = value.text
	}
	return out
}

func (t *topicBody) before(was *bus.TopicInfo) map[string]any {
	out := t.wished()
	if t.Partitions != nil {
		out["partitions"] = was.Partitions
	}
	if t.Replication != nil {
		out["replication_factor"] = was.Replication
	}
	for name := range t.Config {
		out[name] = was.Configs[name]
	}
	return out
}

// mayChange keeps the topics that hxp stands on as it needs them.
func (a *API) mayChange(info *bus.TopicInfo, t *topicBody) error {
	if strings.HasPrefix(info.Name, "__") {
		return &httpx.Fault{Status: http.StatusConflict, Detail: info.Name + " belongs to Kafka itself"}
	}
	if info.Internal && t.Partitions != nil && *t.Partitions != info.Partitions {
		return wrong(http.StatusConflict, "/partitions", "fixed", "hxp looks after the partitions of its internal topics itself")
	}
	return a.lossless(info.Name, t)
}

// lossless refuses settings by which a topic of hxp's own would lose records that are still needed.
func (a *API) lossless(name string, t *topicBody) error {
	own, ok := event.TopicNamed(name)
	if !ok {
		return nil
	}
	if s, given := t.Config["cleanup.policy"]; given && s.text != nil && strings.TrimSpace(*s.text) != "delete" {
		return wrong(http.StatusConflict, "/config/cleanup.policy", "loses_records", "compaction would remove events that share a key; topics of hxp keep cleanup.policy=delete")
	}
	if own.Retention > 0 {
		return nil
	}
	for _, s := range []string{"retention.ms", "retention.bytes"} {
		if v, given := t.Config[s]; given && (v.text == nil || strings.TrimSpace(*v.text) != "-1") {
			return wrong(http.StatusConflict, "/config/"+s, "loses_records", "hxp itself decides what of "+name+" may go; it has no retention of its own")
		}
	}
	return nil
}

// inConfig points at the setting that the broker named in its refusal.
func inConfig(err error, t *topicBody) error {
	no, ok := errors.AsType[*bus.RefusedError](err)
	if !ok {
		return err
	}
	for name := range t.Config {
		if strings.Contains(no.Detail, name) {
			return &httpx.Fault{Status: http.StatusUnprocessableEntity, Detail: no.Detail, Errors: []httpx.FieldError{{Pointer: "/config/" + name, Code: "refused", Detail: no.Detail}}}
		}
	}
	return err
}

func (a *API) deleteTopic(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	info, err := a.topicInfo(ctx, r.PathValue("name"))
	if err != nil {
		return err
	}
	if _, own := event.TopicNamed(info.Name); own || info.Internal {
		return &httpx.Fault{Status: http.StatusConflict, Detail: "hxp needs the topic " + info.Name + "; it cannot be deleted"}
	}
	if uses := a.routesTo(info.Name); len(uses) > 0 {
		return &httpx.Fault{Status: http.StatusConflict, Detail: fmt.Sprintf("routes send events to %s: %s; delete them first (DELETE /routes/NAME)", info.Name, strings.Join(uses, ", "))}
	}
	if err := a.bus.DeleteTopic(ctx, info.Name); err != nil {
		return err
	}
	httpx.Changed(ctx, map[string]any{"partitions": info.Partitions, "replication_factor": info.Replication, "messages": info.Messages, "config": info.Configs}, nil)
	a.log.Info("topic deleted", "topic", info.Name, "messages", info.Messages, "request_id", httpx.RequestID(r.Context()))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
