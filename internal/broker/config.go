package broker

import "time"

// Config holds the settings of the embedded broker.
type Config struct {
	Addr           string        `yaml:"-"` // host:port to listen on; port 0 = a free one
	Dir            string        `yaml:"-"` // folder of the log
	MaxBytes       int64         `yaml:"max_bytes" env:"HXP_BROKER_MAX_BYTES" default:"1073741824" min:"16777216" doc:"bytes of all topics that the embedded broker keeps; older records that every reader has passed are deleted beyond it"`
	SyncWrites     bool          `yaml:"sync_writes" env:"HXP_BROKER_SYNC_WRITES" default:"false" doc:"fsync each batch before it is acknowledged: survives a power cut, and is much slower"`
	MaxConnections int           `yaml:"max_connections" env:"HXP_BROKER_MAX_CONNECTIONS" default:"1000" min:"1" doc:"connections at once; further ones are closed"`
	FrameTimeout   time.Duration `yaml:"frame_timeout" env:"HXP_BROKER_FRAME_TIMEOUT" default:"30s" min:"100ms" doc:"time in which a request must have arrived once its first byte has"`
}

// withDefaults fills what a caller that builds Config by hand left zero.
func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 30
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 1000
	}
	if c.FrameTimeout == 0 {
		c.FrameTimeout = 30 * time.Second
	}
	return c
}
