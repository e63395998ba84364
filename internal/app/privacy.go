package app

import (
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/kit/secret"
)

// readPrivacy makes the rules of privacy ready and gives them to whoever knows the limits of an event. Only who takes events in or reads them
// does so: the key is not for everybody who may ask a question.
func (c *Config) readPrivacy() error {
	rules := c.KafkaAPI.Ingest.Privacy
	key, err := secret.Read(rules.HashKey)
	if err != nil {
		return fmt.Errorf("ingest.privacy.hash_key: %w", err)
	}
	p, err := rules.Compile(key)
	if err != nil {
		return fmt.Errorf("ingest.privacy: %w", err)
	}
	c.KafkaAPI.Ingest.Event.Privacy = p
	c.EventProcessing.Stream.Events, c.Batch.Lake.Events = c.KafkaAPI.Ingest.Event, c.KafkaAPI.Ingest.Event
	return nil
}
