package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// NewTopic is a topic that somebody wishes for.
type NewTopic struct {
	Name        string
	Partitions  int // 0 = as configured
	Replication int // 0 = as configured
	Config      map[string]*string
}

// CreateTopic makes a topic and returns when it can be written. ErrTopicExists and RefusedError say why it was not made.
func (b *Bus) CreateTopic(ctx context.Context, t NewTopic) error {
	partitions := or(t.Partitions, atMost(b.cfg.TopicPartitions, b.cfg.MostPartitions))
	replicas := or(t.Replication, atMost(b.cfg.Replication, b.cfg.MostReplicas))
	made, err := b.admin.CreateTopic(ctx, int32(partitions), int16(replicas), t.Config, t.Name)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", t.Name, refused(err, made.ErrMessage))
	}
	return b.awaitLeaders(ctx, []event.Topic{{Name: t.Name}})
}

// AlterTopic gives a topic more partitions (0 = as many as it has) and other settings (nil value = back to the broker's default).
// Settings are tried before anything is changed, so that a refusal leaves everything as it was.
func (b *Bus) AlterTopic(ctx context.Context, name string, partitions int, config map[string]*string) error {
	var changes []kadm.AlterConfig
	for k, v := range config {
		op := kadm.SetConfig
		if v == nil {
			op = kadm.DeleteConfig
		}
		changes = append(changes, kadm.AlterConfig{Op: op, Name: k, Value: v})
	}
	if len(changes) > 0 {
		if err := altered(name)(b.admin.ValidateAlterTopicConfigs(ctx, changes, name)); err != nil {
			return err
		}
	}
	if partitions > 0 {
		if err := b.growBy(ctx, name, partitions); err != nil {
			return err
		}
		b.lookAgain()
	}
	if len(changes) > 0 {
		if err := altered(name)(b.admin.AlterTopicConfigs(ctx, changes, name)); err != nil {
			return err
		}
		b.awaitSettings(ctx, name, config)
	}
	return nil
}

const settingsKnown = 3 * time.Second

// awaitSettings waits until the brokers tell the new settings, because they accept a change a moment before all of them know it. What they
// accepted is not refused after the fact: when they go on telling something else, as others may have changed it again, it gives up.
func (b *Bus) awaitSettings(ctx context.Context, name string, wish map[string]*string) {
	ctx, stop := context.WithTimeout(ctx, settingsKnown)
	defer stop()
	for {
		all, err := b.admin.DescribeTopicConfigs(ctx, name)
		if err == nil {
			if r, err := all.On(name, nil); err == nil && r.Err == nil && told(r.Configs, wish) {
				return
			}
		}
		if !sleep(ctx, backoff(0)) {
			return
		}
	}
}

// told tells whether settings are as wished (nil = the topic has none of its own). One that brokers do not list is not waited for.
func told(have []kadm.Config, wish map[string]*string) bool {
	return !slices.ContainsFunc(have, func(c kadm.Config) bool {
		want, named := wish[c.Key]
		own := c.Source == kmsg.ConfigSourceDynamicTopicConfig
		return named && (own != (want != nil) || own && c.MaybeValue() != *want)
	})
}

// lookAgain lets the producers of this bus see new partitions now; those of others see them within a minute.
func (b *Bus) lookAgain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open {
		if p, ok := c.(*Producer); ok {
			p.client.ForceMetadataRefresh()
		}
	}
}

// growBy gives a topic exactly so many partitions; fewer than it has are refused.
func (b *Bus) growBy(ctx context.Context, name string, partitions int) error {
	shapes, err := b.Shapes(ctx, name)
	if err != nil {
		return err
	}
	have, ok := shapes[name]
	switch {
	case !ok:
		return fmt.Errorf("topic %s: %w", name, ErrUnknownTopic)
	case have.Partitions == partitions:
		return nil
	case have.Partitions > partitions:
		return &RefusedError{Detail: fmt.Sprintf("topic %s has %d partitions and never gets fewer", name, have.Partitions)}
	}
	return b.Grow(ctx, name, partitions)
}

func altered(name string) func(kadm.AlterConfigsResponses, error) error {
	return func(all kadm.AlterConfigsResponses, err error) error {
		var r kadm.AlterConfigsResponse
		if err == nil {
			if r, err = all.On(name, nil); err == nil {
				err = r.Err
			}
		}
		if err != nil {
			return fmt.Errorf("change the settings of topic %s: %w", name, refused(err, r.ErrMessage))
		}
		return nil
	}
}

// DeleteTopic deletes a topic with everything in it, and returns when it is no longer listed.
func (b *Bus) DeleteTopic(ctx context.Context, name string) error {
	gone, err := b.admin.DeleteTopic(ctx, name)
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", name, refused(err, gone.ErrMessage))
	}
	for { // brokers answer a moment before all of them know
		have, err := b.admin.ListTopics(ctx, name)
		if err == nil && (!have.Has(name) || errors.Is(have[name].Err, kerr.UnknownTopicOrPartition)) {
			return nil
		}
		if !sleep(ctx, backoff(0)) {
			return fmt.Errorf("wait until topic %s is gone: %w", name, context.Cause(ctx))
		}
	}
}

// TopicName tells whether a name can be that of a topic.
func TopicName(name string) error {
	legal := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
	}
	switch {
	case name == "":
		return errors.New("a topic needs a name")
	case len(name) > 249:
		return fmt.Errorf("a name of a topic has at most 249 characters; this one has %d", len(name))
	case name == "." || name == "..":
		return fmt.Errorf("a topic cannot be named %q", name)
	case slices.ContainsFunc([]rune(name), func(c rune) bool { return !legal(c) }):
		return errors.New("a topic is named by the characters a-z A-Z 0-9 . _ - alone")
	}
	return nil
}
