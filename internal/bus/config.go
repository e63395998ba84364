package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
)

// Config says where the brokers are and how topics are made.
type Config struct {
	Bootstrap       []string `yaml:"bootstrap_servers" env:"KAFKA_BOOTSTRAP_SERVERS" default:"localhost:9092" doc:"Kafka brokers to ask first, host:port, separated by commas."`
	TopicPartitions int      `yaml:"topic_partitions" env:"KAFKA_TOPIC_PARTITIONS" default:"3" min:"1" max:"1000" doc:"Partitions of a topic that hxp creates. The embedded broker allows 8."`
	Replication     int      `yaml:"topic_replication_factor" env:"KAFKA_TOPIC_REPLICATION_FACTOR" default:"1" min:"1" max:"32" doc:"Replicas of a topic that hxp creates. The embedded broker has one."`
	ClientID        string   `yaml:"client_id" env:"KAFKA_CLIENT_ID" default:"hxp" doc:"Name under which brokers log this client."`
	Security        `yaml:",inline"`

	// Dial connects to a broker in this process, whatever its address; nil = over the network.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) `yaml:"-"`

	// What the brokers have at most, as far as it is known before they are asked: the embedded one is small. 0 = not known.
	MostPartitions int `yaml:"-"`
	MostReplicas   int `yaml:"-"`
}

// Validate reports everything that is wrong with c at once, but for Security.Check: its settings may stand in several files,
// so it is asked when these are put together.
func (c Config) Validate() error {
	var errs []error
	if len(c.Bootstrap) == 0 {
		errs = append(errs, errors.New("bootstrap_servers: name at least one broker as host:port"))
	}
	for _, addr := range c.Bootstrap {
		if _, _, err := net.SplitHostPort(strings.TrimSpace(addr)); err != nil {
			errs = append(errs, fmt.Errorf("bootstrap_servers: %q is not host:port: %w", addr, err))
		}
	}
	return errors.Join(errs...)
}

// withDefaults fills what a caller that builds Config by hand left empty.
func (c Config) withDefaults() Config {
	if len(c.Bootstrap) == 0 {
		c.Bootstrap = []string{"localhost:9092"}
	}
	seeds := make([]string, len(c.Bootstrap))
	for i, addr := range c.Bootstrap {
		seeds[i] = strings.TrimSpace(addr)
	}
	c.Bootstrap = seeds
	if c.TopicPartitions <= 0 {
		c.TopicPartitions = 3
	}
	if c.Replication <= 0 {
		c.Replication = 1
	}
	if c.ClientID == "" {
		c.ClientID = "hxp"
	}
	if c.Protocol == "" {
		c.Protocol = "PLAINTEXT"
	}
	return c
}
