package broker

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// One produce request names at most this many topics and partitions; the engine keeps 1,600 by default.
const maxProduceParts = 10_000

// produced is what a produce request is about, without a look into its records.
type produced struct {
	acks    int16
	bytes   int64 // of records
	batches int64
	topics  []kmsg.ProduceRequestTopic // without records; their partitions only when asked for
}

// walkProduce reads a produce request around its records. p is reused; its names alias rest. Partitions are listed when the
// request is to be refused.
func walkProduce(version int16, rest []byte, p *produced, list bool) error {
	flexible := version >= 9
	r := kbin.Reader{Src: rest}
	arrayLen := func() int {
		if flexible {
			return int(r.CompactArrayLen())
		}
		return int(r.ArrayLen())
	}
	p.bytes, p.batches, p.topics = 0, 0, p.topics[:0]
	if flexible {
		r.CompactNullableString()
	} else if version >= 3 {
		r.NullableString()
	}
	p.acks = r.Int16()
	r.Int32() // timeout
	parts := 0
	n := arrayLen()
	for i := 0; i < n && r.Ok(); i++ {
		var t kmsg.ProduceRequestTopic
		switch {
		case version >= 13:
			t.TopicID = r.Uuid()
		case flexible:
			t.Topic = r.UnsafeCompactString()
		default:
			t.Topic = r.UnsafeString()
		}
		m := arrayLen()
		if parts += 1 + max(m, 0); parts > maxProduceParts {
			return violate("malformed", "a produce request for more than %d partitions", maxProduceParts)
		}
		for j := 0; j < m && r.Ok(); j++ {
			part := kmsg.ProduceRequestTopicPartition{Partition: r.Int32()}
			var records []byte
			if flexible {
				records = r.CompactNullableBytes()
				kmsg.SkipTags(&r)
			} else {
				records = r.NullableBytes()
			}
			p.bytes += int64(len(records))
			p.batches++
			if list {
				t.Partitions = append(t.Partitions, part)
			}
		}
		if flexible {
			kmsg.SkipTags(&r)
		}
		p.topics = append(p.topics, t)
	}
	if flexible {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() {
		return violate("malformed", "a produce request")
	}
	return nil
}

// refuseProduce answers a produce request while the broker is full. The error is one at which producers wait and try again,
// so nothing is lost on their side.
func refuseProduce(version int16, p *produced, why string) kmsg.Response {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(version)
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range p.topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, part := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = part.Partition, kerr.KafkaStorageError.Code, -1
			rp.ErrorMessage = &why
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
