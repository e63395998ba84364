package host

import "time"

// Config is the section host_metrics of kafka-api.yaml.
type Config struct {
	Enabled  string        `yaml:"enabled" env:"HXP_HOST_METRICS" default:"auto" enum:"auto,on,off" doc:"Send system metrics of the machine itself. auto: with hxp up --demo only."`
	Interval time.Duration `yaml:"interval" env:"HXP_HOST_METRICS_INTERVAL" default:"15s" min:"1s" max:"1h" doc:"Time between two readings."`
	GPU      bool          `yaml:"gpu" env:"HXP_HOST_METRICS_GPU" default:"true" doc:"Ask nvidia-smi, where it is installed."`
}

// On tells whether the machine is measured.
func (c Config) On(demo bool) bool { return c.Enabled == "on" || c.Enabled != "off" && demo }
