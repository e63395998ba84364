package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/ingest"
)

// What kafka-api tells of topics, groups and dead letters, for commands.
type (
	Topic             = ingest.Topic
	TopicMessage      = ingest.Message
	ConsumerGroup     = ingest.Group
	GroupReset        = ingest.GroupReset
	DeadLetter        = ingest.DeadLetter
	DeadLetterSummary = ingest.DeadLetterSummary
	Redrive           = ingest.Redrive
)

// TopicWish is what a topic shall be. Zero values are left to the brokers, or as they are.
type TopicWish struct {
	Name        string             `json:"name,omitempty"`
	Partitions  int                `json:"partitions,omitempty"`
	Replication int                `json:"replication_factor,omitempty"`
	Config      map[string]*string `json:"config,omitempty"` // nil value = back to the default
}

func topicPath(name string) string { return "/topics/" + url.PathEscape(name) }

// Topics lists the topics.
func (a *Asked) Topics(ctx context.Context) ([]Topic, error) {
	return gather[Topic](ctx, a, "/topics", "topics", url.Values{}, 0)
}

// Topic describes a topic with its settings and the bounds of its logs.
func (a *Asked) Topic(ctx context.Context, name string) (t Topic, err error) {
	return t, a.Into(ctx, http.MethodGet, topicPath(name), nil, &t)
}

// CreateTopic makes a topic.
func (a *Asked) CreateTopic(ctx context.Context, wish TopicWish) (t Topic, err error) {
	return t, a.Into(ctx, http.MethodPost, "/topics", wish, &t)
}

// AlterTopic changes a topic.
func (a *Asked) AlterTopic(ctx context.Context, name string, wish TopicWish) (t Topic, err error) {
	return t, a.Into(ctx, http.MethodPatch, topicPath(name), wish, &t)
}

// DeleteTopic deletes a topic.
func (a *Asked) DeleteTopic(ctx context.Context, name string) error {
	_, err := a.Call(ctx, http.MethodDelete, topicPath(name), nil)
	return err
}

// pages asks for page after page of a list until see has had most items (0 = all) or there are no more.
func pages[T any](ctx context.Context, a *Asked, path, list string, q url.Values, most int, see func(T) error) error {
	for n := 0; ; {
		limit := 1000
		if most > 0 {
			limit = min(limit, most-n)
		}
		q.Set("limit", strconv.Itoa(limit))
		var page map[string]json.RawMessage
		if err := a.Into(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &page); err != nil {
			return err
		}
		var items []T
		var next *string
		if err := errors.Join(json.Unmarshal(page[list], &items), json.Unmarshal(page["next_cursor"], &next)); err != nil {
			return fmt.Errorf("GET %s answers with something else than expected: %w", path, err)
		}
		for _, item := range items {
			if err := see(item); err != nil {
				return err
			}
		}
		if n += len(items); next == nil || most > 0 && n >= most {
			return nil
		}
		q.Set("cursor", *next)
	}
}

// gather returns a list.
func gather[T any](ctx context.Context, a *Asked, path, list string, q url.Values, most int) ([]T, error) {
	out := []T{}
	return out, pages(ctx, a, path, list, q, most, func(item T) error {
		out = append(out, item)
		return nil
	})
}

// Messages calls see for messages of a topic, at most so many (0 = all). The query is that of GET /topics/{name}/messages.
func (a *Asked) Messages(ctx context.Context, topic string, q url.Values, most int, see func(TopicMessage) error) error {
	return pages(ctx, a, topicPath(topic)+"/messages", "messages", q, most, see)
}

// Groups lists the consumer groups.
func (a *Asked) Groups(ctx context.Context) ([]ConsumerGroup, error) {
	return gather[ConsumerGroup](ctx, a, "/consumer-groups", "groups", url.Values{}, 0)
}

// Group describes a consumer group.
func (a *Asked) Group(ctx context.Context, id string) (g ConsumerGroup, err error) {
	return g, a.Into(ctx, http.MethodGet, "/consumer-groups/"+url.PathEscape(id), nil, &g)
}

// ResetGroup puts a group elsewhere: to a word, a time, or offsets by topic and partition.
func (a *Asked) ResetGroup(ctx context.Context, id string, to any, dryRun bool) (r GroupReset, err error) {
	return r, a.Into(ctx, http.MethodPost, "/consumer-groups/"+url.PathEscape(id)+"/reset", map[string]any{"to": to, "dry_run": dryRun}, &r)
}

// DeadLetters lists dead letters, the newest first, at most so many (0 = all). The query is that of GET /dead-letters.
func (a *Asked) DeadLetters(ctx context.Context, q url.Values, most int) ([]DeadLetter, error) {
	return gather[DeadLetter](ctx, a, "/dead-letters", "dead_letters", q, most)
}

// DeadLetter shows one dead letter.
func (a *Asked) DeadLetter(ctx context.Context, id string) (d DeadLetter, err error) {
	return d, a.Into(ctx, http.MethodGet, "/dead-letters/"+url.PathEscape(id), nil, &d)
}

// DeadLetterSummary counts the dead letters that the query finds.
func (a *Asked) DeadLetterSummary(ctx context.Context, q url.Values) (s DeadLetterSummary, err error) {
	return s, a.Into(ctx, http.MethodGet, "/dead-letters/summary?"+q.Encode(), nil, &s)
}

// RedriveOrder says which letters are sent again, and how they are changed.
type RedriveOrder struct {
	IDs    []string          `json:"ids,omitempty"`
	Filter map[string]string `json:"filter,omitempty"`
	Patch  json.RawMessage   `json:"patch,omitempty"`
	DryRun bool              `json:"dry_run,omitempty"`
	Limit  int               `json:"limit,omitempty"`
	Cursor string            `json:"cursor,omitempty"`
}

// Redrive sends dead letters again, page after page of what a filter finds, and calls see for each answer. That some or all of them
// are still bad is told in the answers and is no error.
func (a *Asked) Redrive(ctx context.Context, o RedriveOrder, see func(Redrive) error) error {
	for {
		status, answer, err := a.ask(ctx, http.MethodPost, "/dead-letters/redrive", o)
		if err != nil {
			return err
		}
		var r Redrive
		bad := json.Unmarshal(answer, &r)
		if bad != nil || r.Counts == nil {
			return objection(fmt.Sprint(status), answer)
		}
		if err := see(r); err != nil {
			return err
		}
		if r.Next == nil || r.Error != "" {
			return nil
		}
		o.Cursor = *r.Next
	}
}
