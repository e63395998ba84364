package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func (a *API) mountGroups(m *httpx.Mux) {
	none, away := httpx.Answer("404", "there is no such group, topic or partition"), httpx.Answer("503", "the brokers do not answer, see Retry-After")
	m.HandleFunc("GET /consumer-groups", a.asked(a.getGroups), httpx.Doc("Lists the consumer groups with their lag."), httpx.Paging(), httpx.Answer("200", "the groups, by id", groupList{}), away)
	m.HandleFunc("GET /consumer-groups/{id}", a.asked(a.getGroup), httpx.Doc("Describes one consumer group: members, and position, end and lag of each partition."),
		httpx.Answer("200", "the group", wholeGroup{}), none, away)
	m.HandleFunc("POST /consumer-groups/{id}/reset", a.asked(a.resetGroup),
		httpx.Doc("Puts a group without members elsewhere. With dry_run it says what would be done."),
		httpx.Body("application/json"), httpx.BodyOf(resetDoc), httpx.Answer("200", "what was done, or would be", GroupReset{}),
		httpx.Answer("400", "the body cannot be read"), none, httpx.Answer("409", "the group is one of hxp's own, or has active members"),
		httpx.Answer("413", "the body is too large"), httpx.Answer("422", "not possible like this; errors and detail say why"), away)
}

// resetDoc describes resetBody.
var resetDoc = httpx.Schema{"type": "object", "additionalProperties": false, "required": []string{"to"}, "properties": map[string]any{
	"to": httpx.Schema{"anyOf": []httpx.Schema{httpx.OneOf("earliest", "latest"), httpx.Time(),
		{"type": "object", "description": "offsets: {TOPIC: {\"PARTITION\": OFFSET}}", "minProperties": 1,
			"additionalProperties": httpx.Schema{"type": "object", "propertyNames": httpx.Schema{"pattern": "^[0-9]{1,9}$"}, "additionalProperties": httpx.Whole(0, math.MaxInt64)}}}},
	"dry_run": httpx.Schema{"type": []string{"boolean", "null"}},
}}

// Group is a consumer group as GET /consumer-groups and hxp topics groups show it.
type Group struct {
	ID         string           `json:"id"`
	State      string           `json:"state"`
	Lag        int64            `json:"lag"`
	Own        bool             `json:"own"` // hxp's: its positions are a courtesy to tools and cannot be reset
	Members    []GroupMember    `json:"members,omitempty"`
	Partitions []GroupPartition `json:"partitions,omitempty"`
}

type groupList struct {
	Groups []Group `json:"groups"`
	Next   *string `json:"next_cursor"`
}

// wholeGroup is a Group whose lists are never absent.
type wholeGroup struct {
	Group
	Members    []GroupMember    `json:"members"`
	Partitions []GroupPartition `json:"partitions"`
}

// GroupMember is a consumer of a group.
type GroupMember struct {
	ID       string             `json:"id"`
	Instance *string            `json:"instance_id"`
	Client   string             `json:"client_id"`
	Host     string             `json:"host"`
	Assigned map[string][]int32 `json:"assigned"`
}

// GroupPartition is where a group stands in a partition. null = not known: nothing was stored, or the partition is gone.
type GroupPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Position  *int64 `json:"position"`
	End       *int64 `json:"end"`
	Lag       *int64 `json:"lag"`
}

func (a *API) groupOf(g *bus.GroupInfo, whole bool) Group {
	out := Group{ID: g.ID, State: g.State, Lag: g.Lag, Own: slices.Contains(a.OwnGroups, g.ID)}
	if !whole {
		return out
	}
	for _, m := range g.Members {
		one := GroupMember{ID: m.ID, Client: m.Client, Host: m.Host, Assigned: m.Assigned}
		if m.Instance != "" {
			one.Instance = &m.Instance
		}
		out.Members = append(out.Members, one)
	}
	for _, p := range g.Partitions {
		out.Partitions = append(out.Partitions, GroupPartition{p.Topic, p.Partition, orNil(p.Position), orNil(p.End), orNil(p.Lag)})
	}
	return out
}

func (a *API) getGroups(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	p, err := paging(r)
	if err != nil {
		return err
	}
	all, err := a.bus.Groups(ctx)
	if err != nil {
		return err
	}
	out := groupList{Groups: []Group{}}
	for i := range all {
		if all[i].ID <= p.after {
			continue
		}
		if len(out.Groups) == p.limit {
			out.Next = cursor(out.Groups[p.limit-1].ID)
			break
		}
		out.Groups = append(out.Groups, a.groupOf(&all[i], false))
	}
	httpx.JSON(w, http.StatusOK, out)
	return nil
}

func (a *API) getGroup(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	g, err := a.bus.Group(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	out := wholeGroup{Group: a.groupOf(g, true), Members: []GroupMember{}, Partitions: []GroupPartition{}}
	out.Members, out.Partitions = append(out.Members, out.Group.Members...), append(out.Partitions, out.Group.Partitions...)
	httpx.JSON(w, http.StatusOK, out)
	return nil
}

// resetBody is the wish of a reset.
type resetBody struct {
	To     json.RawMessage `json:"to"`
	DryRun bool            `json:"dry_run"`
}

// GroupMove is what a reset does, or would do, to a partition.
type GroupMove struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      *int64 `json:"from"` // null = no position was stored
	To        int64  `json:"to"`
	Lag       int64  `json:"lag"` // afterwards
	Start     int64  `json:"start"`
	End       int64  `json:"end"`
}

// GroupReset is the answer to a reset.
type GroupReset struct {
	ID         string      `json:"id"`
	DryRun     bool        `json:"dry_run"`
	Partitions []GroupMove `json:"partitions"`
}

func (a *API) resetGroup(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	var body resetBody
	if err := bodyOf(w, r, &body); err != nil {
		return err
	}
	to, err := parseReset(body.To)
	if err != nil {
		return err
	}
	if slices.Contains(a.OwnGroups, id) {
		return &httpx.Fault{Status: http.StatusConflict, Detail: "the group " + id + " is hxp's own: its positions are a courtesy to tools, hxp keeps the real ones with what it has read"}
	}
	g, err := a.bus.Group(ctx, id)
	if err != nil {
		return err
	}
	if len(g.Members) > 0 && !body.DryRun {
		return &httpx.Fault{Status: http.StatusConflict, Detail: fmt.Sprintf("the group %s has %d active members, which would overwrite the positions; stop them first", id, len(g.Members))}
	}
	moves, err := a.bus.PlanReset(ctx, g, to)
	if err != nil {
		return err
	}
	if body.DryRun {
		httpx.Unchanged(ctx)
	} else {
		if err := a.bus.Reset(ctx, id, moves); err != nil {
			return err
		}
		httpx.Changed(ctx, positions(moves, func(m bus.Move) int64 { return m.From }), positions(moves, func(m bus.Move) int64 { return m.To }))
		a.log.Info("consumer group put elsewhere", "group", id, "partitions", len(moves), "request_id", httpx.RequestID(r.Context()))
	}
	out := GroupReset{ID: id, DryRun: body.DryRun, Partitions: []GroupMove{}}
	for _, m := range moves {
		out.Partitions = append(out.Partitions, GroupMove{m.Topic, m.Partition, orNil(m.From), m.To, m.End - m.To, m.Start, m.End})
	}
	httpx.JSON(w, http.StatusOK, out)
	return nil
}

// positions are those of a side of moves, as the audit shows them: by topic and partition, null where none was stored.
func positions(moves []bus.Move, side func(bus.Move) int64) map[string]map[int32]*int64 {
	out := map[string]map[int32]*int64{}
	for _, m := range moves {
		if out[m.Topic] == nil {
			out[m.Topic] = map[int32]*int64{}
		}
		out[m.Topic][m.Partition] = orNil(side(m))
	}
	return out
}

// parseReset reads where to: "earliest", "latest", a time, or offsets.
func parseReset(raw json.RawMessage) (to bus.ResetTo, err error) {
	unfit := func(code, detail string) error { return wrong(http.StatusUnprocessableEntity, "/to", code, detail) }
	raw = bytes.TrimSpace(raw)
	var word string
	switch {
	case len(raw) == 0:
		return to, unfit("required", `say where to: "earliest", "latest", a time in RFC 3339, or {TOPIC: {"PARTITION": OFFSET}}`)
	case raw[0] == '{':
		to.Offsets, err = parseOffsets(raw)
		return to, err
	case json.Unmarshal(raw, &word) != nil:
		return to, unfit("wrong_type", "is neither a text nor an object of offsets")
	}
	switch word {
	case "earliest":
		to.Earliest = true
	case "latest":
		to.Latest = true
	default:
		t, err := event.ParseTime(word)
		if err != nil {
			return to, unfit("unknown_value", fmt.Sprintf(`%q is not "earliest", "latest" or a time in RFC 3339`, clip(word)))
		}
		to.At = time.UnixMicro(t)
	}
	return to, nil
}

func parseOffsets(raw []byte) (map[string]map[int32]int64, error) {
	var texts map[string]map[string]int64
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, wrong(http.StatusUnprocessableEntity, "/to", "wrong_type", `offsets are written {TOPIC: {"PARTITION": OFFSET}}`)
	}
	out := map[string]map[int32]int64{}
	for topic, parts := range texts {
		out[topic] = map[int32]int64{}
		for text, offset := range parts {
			p, err := strconv.ParseInt(text, 10, 32)
			if err != nil || p < 0 {
				return nil, wrong(http.StatusUnprocessableEntity, "/to/"+clip(topic), "out_of_range", fmt.Sprintf("%q is not the number of a partition", clip(text)))
			}
			if offset < 0 {
				return nil, wrong(http.StatusUnprocessableEntity, "/to/"+clip(topic)+"/"+text, "negative", fmt.Sprintf("%d is not an offset", offset))
			}
			out[topic][int32(p)] = offset
		}
	}
	if len(out) == 0 {
		return nil, wrong(http.StatusUnprocessableEntity, "/to", "empty", "no topic is named")
	}
	return out, nil
}
