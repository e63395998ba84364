package serve

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// Config are the settings of the streams.
type Config struct {
	WebSocketMax   int     `yaml:"websocket_max_connections" env:"WEBSOCKET_MAX_CONNECTIONS" default:"200" min:"1" max:"100000" doc:"WebSocket connections at once; more are answered 503 with Retry-After"`
	SSEMax         int     `yaml:"sse_max_connections" env:"SSE_MAX_CONNECTIONS" default:"100" min:"1" max:"100000" doc:"event streams (SSE) at once, those of open dashboards included; more are answered 503 with Retry-After"`
	PerAddress     int     `yaml:"stream_max_connections_per_address" env:"STREAM_MAX_CONNECTIONS_PER_ADDRESS" default:"100" min:"10" max:"100000" doc:"WebSockets, and as many event streams, that one address may have at once; more are answered 503 with Retry-After. Raise it where many screens stand behind one proxy."`
	UpdateInterval float64 `yaml:"live_dashboard_update_interval" env:"LIVE_DASHBOARD_UPDATE_INTERVAL" default:"1" min:"0.25" max:"60" doc:"seconds between two updates of a live stream for clients that ask for no interval of their own"`
	Environment    string  `yaml:"environment" env:"HXP_ENVIRONMENT" default:"local" doc:"name of the installation, shown in the head of every dashboard"`
}

// Live is the part of c that the hub needs.
func (c Config) Live() live.Config {
	return live.Config{WebSocketMax: c.WebSocketMax, SSEMax: c.SSEMax, PerAddress: c.PerAddress, UpdateInterval: time.Duration(c.UpdateInterval * float64(time.Second))}
}
