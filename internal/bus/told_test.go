package bus

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A change is over when brokers tell it, and one that only lies in the defaults of a broker is none of the topic's own.
func TestSettingsAreTold(t *testing.T) {
	own, byDefault := kmsg.ConfigSourceDynamicTopicConfig, kmsg.ConfigSourceDefaultConfig
	wish := map[string]*string{"retention.bytes": new("1048576"), "retention.ms": nil}
	bytes, ms := kadm.Config{Key: "retention.bytes", Value: new("1048576"), Source: own}, kadm.Config{Key: "retention.ms", Value: new("604800000"), Source: byDefault}
	for name, c := range map[string]struct {
		have []kadm.Config
		want bool
	}{
		"both":             {[]kadm.Config{bytes, ms, {Key: "cleanup.policy", Value: new("delete"), Source: byDefault}}, true},
		"the old value":    {[]kadm.Config{{Key: "retention.bytes", Value: new("-1"), Source: own}, ms}, false},
		"still by default": {[]kadm.Config{{Key: "retention.bytes", Value: new("1048576"), Source: byDefault}, ms}, false},
		"still its own":    {[]kadm.Config{bytes, {Key: "retention.ms", Value: new("604800000"), Source: own}}, false},
		"not listed":       {nil, true},
	} {
		if told(c.have, wish) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}
