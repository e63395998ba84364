package app

import (
	"net"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
)

// checkKafka finds what is wrong with the brokers that are named, once all files agree on them.
func (c *Config) checkKafka(t *conf.Tree) []conf.Fault {
	var faults []conf.Fault
	k := c.Bus()
	for _, err := range k.Security.Check() {
		key, text, _ := strings.Cut(err.Error(), ": ")
		faults = append(faults, t.NewFault("kafka."+key, "%s", text))
	}
	if c.Broker != "embedded" {
		return faults
	}
	const most = 8 // of the embedded broker
	if k.TopicPartitions > most {
		faults = append(faults, t.NewFault("kafka.topic_partitions", "the embedded broker has at most %d partitions a topic, not %d", most, k.TopicPartitions))
	}
	if key, text := c.unfitForEmbedded(); text != "" {
		faults = append(faults, t.NewFault("kafka."+key, "%s", text))
	}
	return faults
}

// unfitForEmbedded tells which setting of the brokers the embedded one cannot fulfil, and why; "" when there is none.
func (c *Config) unfitForEmbedded() (key, text string) {
	if c.Bus().TLS() && !c.TLS.On() {
		return "security_protocol", c.Bus().Protocol + " needs a certificate of the embedded broker; name it with HXP_TLS_CERT_FILE and HXP_TLS_KEY_FILE, or another broker with HXP_BROKER=external"
	}
	return "", ""
}

// knowsClients tells whether whoever reaches the embedded broker has to say who he is.
func (c *Config) knowsClients() bool { return c.Bus().SASL() || (c.Bus().TLS() && c.TLS.Asks()) }

// doubtKafka warns of what is allowed and probably not meant.
func (c *Config) doubtKafka(t *conf.Tree) {
	k := c.Bus()
	if k.TopicPartitions > 100 {
		t.Warn("kafka.topic_partitions", "%d partitions cost memory in each service; events are spread well over a few per core", k.TopicPartitions)
	}
	if k.Protocol != "SASL_PLAINTEXT" {
		return
	}
	for _, addr := range k.Bootstrap {
		if host, _, err := net.SplitHostPort(addr); err == nil && !loopback(host) {
			t.Warn("kafka.security_protocol", "SASL_PLAINTEXT sends everything, and with PLAIN the password too, readable over the network to %s; use SASL_SSL", addr)
			return
		}
	}
}
