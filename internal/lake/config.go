package lake

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Config holds the settings of the lake.
type Config struct {
	URL             string        `yaml:"url" env:"HXP_LAKE_URL" default:"" doc:"folder of the raw events, or s3://BUCKET/PREFIX; lake in the data folder when empty"`
	S3              S3            `yaml:"s3" doc:"object storage of a lake on s3://"`
	PublishInterval time.Duration `yaml:"publish_interval" env:"HXP_LAKE_PUBLISH_INTERVAL" default:"2s" min:"50ms" max:"10m" doc:"longest time that an event waits before it is part of the lake"`
	FlushBytes      int64         `yaml:"flush_bytes" env:"HXP_LAKE_FLUSH_BYTES" default:"33554432" min:"65536" doc:"events in memory that are published before publish_interval is over, in bytes"`
	MaxBytes        int64         `yaml:"max_buffered_bytes" env:"HXP_LAKE_MAX_BUFFERED_BYTES" default:"67108864" min:"1048576" max:"2147483648" doc:"most memory for events that are not published yet, in bytes; reading waits beyond it"`
	OrphanGrace     time.Duration `yaml:"orphan_grace" env:"HXP_LAKE_ORPHAN_GRACE" default:"15m" min:"1m" doc:"age at which a file that the manifest does not know is removed"`
	CompactEnabled  bool          `yaml:"compact_enabled" env:"HXP_LAKE_COMPACT_ENABLED" default:"true" doc:"compact hours that have ended by itself; hxp lake compact always can"`
	CompactAfter    time.Duration `yaml:"compact_after" env:"HXP_LAKE_COMPACT_AFTER" default:"10m" min:"1s" max:"168h" doc:"time without new events after which an hour that has ended is compacted"`
	CompactBytes    int64         `yaml:"compact_memory_bytes" env:"HXP_LAKE_COMPACT_MEMORY_BYTES" default:"536870912" min:"67108864" max:"8589934592" doc:"most memory of a compaction, in bytes; more makes fewer and larger files"`
	SupersededGrace time.Duration `yaml:"superseded_grace" env:"HXP_LAKE_SUPERSEDED_GRACE" default:"2h" min:"1m" max:"720h" doc:"time that files stay after they were compacted, for those who read them"`
	// Group is the consumer group under which the lake shows its positions; they are never read back. It is
	// kafka.consumer_group of batch-processing-api.yaml; app copies it.
	Group string `yaml:"-"`
	// MaxPoll bounds the records of one poll; 0 = everything that has arrived. It is kafka.max_poll_records, where set.
	MaxPoll int `yaml:"-"`

	// Future is how far ahead of its record's time an event may be. It must be the stream's tolerance, so that every record
	// is either in the lake or in the dead letters; app copies it. 0 = 5 minutes.
	Future time.Duration `yaml:"-"`
	// Events are the limits of one event, for the same reason those of the stream; app copies them.
	Events event.Limits `yaml:"-"`
}

// withDefaults fills what a caller that builds Config by hand left empty.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.PublishInterval, 2*time.Second)
	def(&c.OrphanGrace, 15*time.Minute)
	def(&c.Future, 5*time.Minute)
	def(&c.CompactAfter, 10*time.Minute)
	def(&c.SupersededGrace, 2*time.Hour)
	if c.CompactBytes <= 0 {
		c.CompactBytes = 512 << 20
	}
	if c.FlushBytes <= 0 {
		c.FlushBytes = 32 << 20
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	c.MaxBytes = min(c.MaxBytes, 2<<30) // a buffer addresses its text with 32 bits
	c.FlushBytes = min(c.FlushBytes, c.MaxBytes)
	if c.Group == "" {
		c.Group = "hxp-batch-processing"
	}
	return c
}

// LocalDir returns the folder of this machine that the lake uses: the lake itself, or, when that is object storage, a folder in
// dataDir for what is not part of it: files on their way, and the state that the windows keep beside the lake.
func (c Config) LocalDir(dataDir string) (string, error) {
	switch {
	case c.URL == "":
		return filepath.Join(dataDir, "lake"), nil
	case strings.HasPrefix(c.URL, "file://"):
		return strings.TrimPrefix(c.URL, "file://"), nil
	case strings.HasPrefix(c.URL, "s3://"):
		_, err := parseS3(c.URL, c.S3)
		return filepath.Join(dataDir, "lake"), err
	case strings.Contains(c.URL, "://"):
		return "", fmt.Errorf("lake: %s: write a folder or s3://BUCKET/PREFIX", c.URL)
	}
	return c.URL, nil
}
