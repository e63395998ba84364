package broker

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// Config holds the settings of the embedded broker.
type Config struct {
	Addr           string        `yaml:"-"` // host:port to listen on; port 0 = a free one
	Dir            string        `yaml:"-"` // folder of the log; empty = in memory, for tests
	TLS            *tls.Config   `yaml:"-"` // how connections are encrypted; nil = not at all
	Login          bool          `yaml:"-"` // clients have to say who they are
	Advertised     string        `yaml:"advertised_address" env:"HXP_BROKER_ADVERTISED_ADDRESS" default:"" doc:"host:port that clients are told to connect to, when it is not the one listened on"`
	MaxBytes       int64         `yaml:"max_bytes" env:"HXP_BROKER_MAX_BYTES" default:"1073741824" min:"16777216" doc:"bytes of all topics that the embedded broker keeps; older records that every reader has passed are deleted beyond it"`
	MaxBatches     int64         `yaml:"max_batches" env:"HXP_BROKER_MAX_BATCHES" default:"2000000" min:"1000" doc:"batches of all topics that the embedded broker keeps; each costs 72 bytes of memory"`
	DiskReserve    int64         `yaml:"disk_reserve" env:"HXP_BROKER_DISK_RESERVE" default:"134217728" min:"1048576" doc:"bytes of the disk that are left free: below it writes are refused, with 503 over HTTP, until there is room again. hxp's own topics may use three quarters of it, so that what was taken is worked off. /health of every service tells when the disk of the data folder has less"`
	SyncWrites     bool          `yaml:"sync_writes" env:"HXP_BROKER_SYNC_WRITES" default:"false" doc:"fsync each batch before it is acknowledged: survives a power cut, and is much slower"`
	MaxConnections int           `yaml:"max_connections" env:"HXP_BROKER_MAX_CONNECTIONS" default:"1000" min:"1" doc:"connections at once; further ones are closed"`
	MaxEach        int           `yaml:"max_connections_per_address" env:"HXP_BROKER_MAX_CONNECTIONS_PER_ADDRESS" default:"500" min:"1" doc:"of these, connections from one address, of IPv6 from one network (/64); this machine has no such limit"`
	MaxTopics      int           `yaml:"max_topics" env:"HXP_BROKER_MAX_TOPICS" default:"200" min:"10" max:"10000" doc:"topics of the embedded broker, hxp's own included"`
	FrameTimeout   time.Duration `yaml:"frame_timeout" env:"HXP_BROKER_FRAME_TIMEOUT" default:"30s" min:"100ms" doc:"time in which a request must have arrived once its first byte has; its first 8 bytes have a third of it. A login must be done in it too"`
	IdleTimeout    time.Duration `yaml:"idle_timeout" env:"HXP_BROKER_IDLE_TIMEOUT" default:"15m" min:"1s" doc:"time after which a connection without a request is closed"`
	UsersFile      string        `yaml:"users_file" env:"HXP_BROKER_USERS_FILE" doc:"File of lines NAME:PASSWORD, readable by its owner alone: who may log in to the embedded broker, beside sasl_username, when KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT or SASL_SSL. A password may be env:VARIABLE or file:PATH. Lines allow NAME SCOPE topics=… groups=… say what a user may do (docs/security.md); without one he may do everything. It is read again when it changes, and who is no longer as he was when he logged in is cut. Clients prove themselves by SCRAM-SHA-256 or SCRAM-SHA-512, and by PLAIN over TLS or on loopback."`

	// Own is a further user, hxp's own, with its password as it is now; nil = there is none.
	Own func() (name, password string, err error) `yaml:"-"`
}

// withDefaults fills what a caller that builds Config by hand left zero.
func (c Config) withDefaults() Config {
	c.MaxBytes = or(c.MaxBytes, 1<<30)
	c.MaxBatches = or(c.MaxBatches, 2_000_000)
	c.DiskReserve = or(c.DiskReserve, 128<<20)
	c.MaxConnections = or(c.MaxConnections, 1000)
	c.MaxEach = or(c.MaxEach, 500)
	c.MaxTopics = or(c.MaxTopics, 200)
	c.FrameTimeout = or(c.FrameTimeout, 30*time.Second)
	c.IdleTimeout = or(c.IdleTimeout, 15*time.Minute)
	return c
}

func or[T int | int64 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Validate checks the settings that people make; the address is checked when the broker is made.
func (c Config) Validate() error {
	if c.Advertised == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Advertised); err != nil {
		return fmt.Errorf("advertised_address %q is not host:port: %w", c.Advertised, err)
	}
	return nil
}
