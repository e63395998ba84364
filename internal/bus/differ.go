package bus

import (
	"context"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// TopicDiffers is a topic that hxp makes for itself and that is not as configured.
type TopicDiffers struct {
	Topic string
	Difference
}

// Differences tells in what the topics of hxp are not as configured, by topic. Those that are missing are not its business.
func (b *Bus) Differences(ctx context.Context, own []event.Topic) ([]TopicDiffers, error) {
	details, err := b.admin.ListTopics(ctx, names(own)...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", classify(err))
	}
	configs, err := b.configs(ctx, details.Names())
	if err != nil {
		return nil, err
	}
	var out []TopicDiffers
	for _, d := range details.Sorted() {
		if d.Err != nil {
			continue
		}
		info := describe(d, nil, configs[d.Topic], nil)
		for _, diff := range b.differences(&info) {
			out = append(out, TopicDiffers{d.Topic, diff})
		}
	}
	return out, nil
}
