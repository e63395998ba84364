package broker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// elsewhere are settings of topics that Apache Kafka keeps and this broker cannot. It says so instead of taking them in.
var elsewhere = []string{
	"compression.gzip.level", "compression.lz4.level", "compression.zstd.level", "delete.retention.ms", "file.delete.delay.ms", "flush.messages",
	"flush.ms", "follower.replication.throttled.replicas", "index.interval.bytes", "leader.replication.throttled.replicas", "local.retention.bytes",
	"local.retention.ms", "max.compaction.lag.ms", "message.downconversion.enable", "message.format.version", "message.timestamp.after.max.ms",
	"message.timestamp.before.max.ms", "message.timestamp.difference.max.ms", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "preallocate",
	"remote.log.copy.disable", "remote.log.delete.on.disable", "remote.storage.enable", "segment.index.bytes", "segment.jitter.ms", "segment.ms",
	"unclean.leader.election.enable",
}

// checkConfig refuses settings of topics that the engine would obey to the loss of data or memory, or take and not obey.
func checkConfig(name string, value *string) *refusal {
	given := ""
	if value != nil {
		given = strings.TrimSpace(*value)
	}
	only := func(want string, no refusal) *refusal {
		if value == nil || given == want {
			return nil
		}
		return &no
	}
	number := func(least, most int64) *refusal {
		if value == nil {
			return nil
		}
		if n, err := strconv.ParseInt(given, 10, 64); err != nil || n < least || n > most {
			return &refusal{kerr.InvalidConfig, fmt.Sprintf("%s=%s is not a number from %d to %d", name, given, least, most)}
		}
		return nil
	}
	const most = 1<<63 - 1
	switch name {
	case "cleanup.policy":
		return only("delete", noCompaction)
	case "message.timestamp.type":
		return only("CreateTime", noAppendTime)
	case "compression.type":
		return only("producer", noRecompression)
	case "min.insync.replicas":
		return only("1", oneReplica)
	case "retention.ms", "retention.bytes":
		return number(-1, most)
	case "segment.bytes":
		return number(minSegment, 1<<30)
	case "max.message.bytes":
		return number(0, maxMessageBytes)
	}
	if slices.Contains(elsewhere, name) {
		return &refusal{kerr.PolicyViolation, fmt.Sprintf("the embedded broker does not keep the setting %s: leave it out, or use Apache Kafka", name)}
	}
	return &refusal{kerr.InvalidConfig, fmt.Sprintf("there is no setting %q of topics", clip(name))}
}

func clip(s string) string { return words.Clip(s, 80) }
