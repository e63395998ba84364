package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Topic is a topic as GET /topics and hxp topics list show it.
type Topic struct {
	Name              string   `json:"name"`
	Partitions        int      `json:"partitions"`
	ReplicationFactor int      `json:"replication_factor"`
	RetentionMS       *int64   `json:"retention_ms"`    // null = for ever
	RetentionBytes    *int64   `json:"retention_bytes"` // null = without limit
	Messages          int64    `json:"messages"`
	Bytes             *int64   `json:"bytes"` // null = the brokers do not tell
	EventsPerSecond   *float64 `json:"events_per_second"`
	Internal          bool     `json:"internal"`

	Differs []bus.Difference  `json:"differs,omitempty"` // in what a topic of hxp's own is not as configured
	Config  map[string]string `json:"config,omitempty"`  // all settings in force; of one topic alone
	Logs    []TopicLog        `json:"logs,omitempty"`    // of one topic alone
}

type topicList struct {
	Topics []Topic `json:"topics"`
	Next   *string `json:"next_cursor"`
}

// TopicLog is what a partition holds: the first offset that is there and the one that the next message gets.
type TopicLog struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
}

func (a *API) topicOf(t bus.TopicInfo) Topic {
	out := Topic{Name: t.Name, Partitions: t.Partitions, ReplicationFactor: t.Replication, Messages: t.Messages, Internal: t.Internal, Differs: t.Differs,
		RetentionMS: orNil(t.RetentionMS), RetentionBytes: orNil(t.RetentionBytes), Bytes: orNil(t.Bytes)}
	if r, ok := a.rates.of(t.Name); ok {
		out.EventsPerSecond = &r
	}
	return out
}

// orNil is nil for the negative numbers that stand for "without" and "unknown".
func orNil(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func (a *API) getTopics(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	p, err := paging(r)
	if err != nil {
		return err
	}
	infos, err := a.bus.Describe(ctx)
	if err != nil {
		return err
	}
	sorting.By(infos, func(a, b bus.TopicInfo) int { return strings.Compare(a.Name, b.Name) })
	out := topicList{Topics: []Topic{}}
	for _, t := range infos {
		if t.Name <= p.after {
			continue
		}
		if len(out.Topics) == p.limit {
			out.Next = cursor(out.Topics[p.limit-1].Name)
			break
		}
		out.Topics = append(out.Topics, a.topicOf(t))
	}
	httpx.JSON(w, http.StatusOK, out)
	return nil
}

func (a *API) getTopic(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	t, err := a.topic(ctx, r.PathValue("name"))
	if err == nil {
		httpx.JSON(w, http.StatusOK, t)
	}
	return err
}

// topic describes one topic with all that is known of it.
func (a *API) topic(ctx context.Context, name string) (*Topic, error) {
	info, err := a.topicInfo(ctx, name)
	if err != nil {
		return nil, err
	}
	t := a.topicOf(*info)
	t.Config = info.Configs
	for p := range int32(info.Partitions) {
		if log, ok := info.Offsets[p]; ok {
			t.Logs = append(t.Logs, TopicLog{p, log.Start, log.End})
		}
	}
	return &t, nil
}

func (a *API) topicInfo(ctx context.Context, name string) (*bus.TopicInfo, error) {
	none := &httpx.Fault{Status: http.StatusNotFound, Detail: fmt.Sprintf("there is no topic %q", clip(name))}
	if bus.TopicName(name) != nil {
		return nil, none // brokers differ in what they say of a name that cannot be
	}
	infos, err := a.bus.Describe(ctx, name)
	if errors.Is(err, bus.ErrUnknownTopic) || err == nil && len(infos) == 0 {
		return nil, none
	}
	if err != nil {
		return nil, err
	}
	return &infos[0], nil
}
