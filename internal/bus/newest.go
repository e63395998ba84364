package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Newest is the latest time of any record in the topics of hxp, as whoever wrote it told the time; zero where there is none. Brokers before
// Kafka 3.0 do not tell.
func (b *Bus) Newest(ctx context.Context) (newest time.Time, err error) {
	have, err := b.Shapes(ctx, names(event.Topics)...)
	if err != nil || len(have) == 0 {
		return newest, err
	}
	var there []string
	for topic := range have {
		there = append(there, topic)
	}
	listed, err := b.admin.ListMaxTimestampOffsets(ctx, there...)
	if err != nil {
		return newest, fmt.Errorf("newest records: %w", classify(err))
	}
	listed.Each(func(o kadm.ListedOffset) {
		if at := time.UnixMilli(o.Timestamp); o.Err == nil && o.Timestamp > 0 && at.After(newest) {
			newest = at
		}
	})
	return newest, nil
}
