package broker

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// MaxPartitions is how many partitions a topic of this broker has at most: each costs files, and memory for every batch.
const MaxPartitions = 8

const (
	minSegment      = 1 << 20 // bytes; smaller segments make files without end
	maxMessageBytes = 16 << 20
	ownPrefix       = "hxp-" // of topics that hxp makes for itself
)

// judge decides what becomes of a request.
func (b *Broker) judge(h head, frame []byte) (verdict, error) {
	pass := verdict{frame: frame}
	switch kmsg.Key(h.key) {
	default:
		return pass, nil
	case kmsg.ApiVersions:
		if highest, _ := b.guard.allowed.LookupMaxKeyVersion(h.key); h.version > highest {
			pass.corr, pass.answer = int32(binary.BigEndian.Uint32(frame[headBytes:])), newerClient(highest)
		}
		return pass, nil
	case kmsg.Produce, kmsg.Fetch, kmsg.CreateTopics, kmsg.CreatePartitions, kmsg.DeleteRecords, kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs:
	}
	corr, header, rest, err := body(h, frame)
	if err != nil {
		return verdict{}, err
	}
	pass.corr = corr
	switch kmsg.Key(h.key) {
	case kmsg.Produce:
		return b.judgeProduce(h, rest, pass)
	case kmsg.Fetch:
		clampFetch(h, rest)
		return pass, nil
	}
	req := kmsg.RequestForKey(h.key)
	req.SetVersion(h.version)
	if err := req.ReadFrom(rest); err != nil {
		return verdict{}, violate("malformed", "a %s request: %v", kmsg.NameForKey(h.key), err)
	}
	switch req := req.(type) {
	case *kmsg.CreateTopicsRequest:
		pass.answer = b.createTopics(req)
	case *kmsg.CreatePartitionsRequest:
		pass.answer = createPartitions(req)
	case *kmsg.AlterConfigsRequest:
		pass.answer = alterConfigs(req)
	case *kmsg.IncrementalAlterConfigsRequest:
		pass.answer = incrementalAlterConfigs(req)
	case *kmsg.DeleteRecordsRequest:
		if b.keepLastBatch(req) {
			pass.frame = reframe(header, req)
		}
	}
	return pass, nil
}

// newerClient answers a client that asks for the versions in a version of the question that we do not know: in the oldest
// one, with what we do know, so that it asks again. The question itself cannot be read.
func newerClient(highest int16) kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(0)
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	key := kmsg.NewApiVersionsResponseApiKey()
	key.ApiKey, key.MaxVersion = kmsg.ApiVersions.Int16(), highest
	resp.ApiKeys = append(resp.ApiKeys, key)
	return resp
}

func (b *Broker) judgeProduce(h head, rest []byte, pass verdict) (verdict, error) {
	var p produced
	if err := walkProduce(h.version, rest, &p, false); err != nil {
		return verdict{}, err
	}
	pass.mute, pass.write = p.acks == 0, true
	if b.usage.admit(p.bytes, p.batches, false) {
		return pass, nil
	}
	_, why := b.Overfull()
	if err := walkProduce(h.version, rest, &p, true); err != nil {
		return verdict{}, err
	}
	if b.allOwn(p.topics) && b.usage.admit(p.bytes, p.batches, true) {
		return pass, nil
	}
	b.refusedWrites.Inc()
	pass.answer = refuseProduce(h.version, &p, why)
	return pass, nil
}

// allOwn tells whether topics are hxp's own, which may use the reserve: writing them is what lets the others be deleted.
func (b *Broker) allOwn(topics []kmsg.ProduceRequestTopic) bool {
	for _, t := range topics {
		name := t.Topic
		if t.TopicID != ([16]byte{}) {
			info := b.engine.topicByID(t.TopicID)
			if info == nil {
				return false
			}
			name = info.Topic
		}
		if !strings.HasPrefix(name, ownPrefix) {
			return false
		}
	}
	return len(topics) > 0
}

// encodeAnswer encodes an answer as the engine does.
func encodeAnswer(corr int32, resp kmsg.Response) []byte {
	out := binary.BigEndian.AppendUint32(make([]byte, 4, 256), uint32(corr))
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		out = append(out, 0) // no tags
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// refusal is why a request is not granted.
type refusal struct {
	err  *kerr.Error
	text string
}

const whole = "not done, because another part of the same request was refused"

var (
	noCompaction    = refusal{kerr.PolicyViolation, "the embedded broker does not compact: use cleanup.policy=delete, or Apache Kafka"}
	tooMany         = refusal{kerr.PolicyViolation, fmt.Sprintf("the embedded broker has at most %d partitions a topic: use fewer, or Apache Kafka", MaxPartitions)}
	tooReplicated   = refusal{kerr.InvalidReplicationFactor, "the embedded broker is a single one and keeps one replica: use replication factor 1, or Apache Kafka"}
	noAppendTime    = refusal{kerr.InvalidConfig, "the embedded broker does not stamp records: use message.timestamp.type=CreateTime, or Apache Kafka"}
	noBrokerConf    = refusal{kerr.PolicyViolation, "settings of the embedded broker are made in hxp's configuration"}
	noRecompression = refusal{kerr.PolicyViolation, "the embedded broker keeps batches as they were compressed: use compression.type=producer, or Apache Kafka"}
	oneReplica      = refusal{kerr.PolicyViolation, "the embedded broker has one replica: use min.insync.replicas=1, or Apache Kafka"}
	badName         = refusal{kerr.InvalidTopicException, "a topic is named by 1 to 249 of the characters a-z A-Z 0-9 . _ -"}
)

func goodName(name string) bool {
	if name == "" || len(name) > 249 || name == "." || name == ".." {
		return false
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

func (b *Broker) createTopics(r *kmsg.CreateTopicsRequest) kmsg.Response {
	bad := map[string]refusal{}
	for _, t := range r.Topics {
		if max(t.NumPartitions, int32(len(t.ReplicaAssignment))) > MaxPartitions {
			bad[t.Topic] = tooMany
		}
		if t.ReplicationFactor > 1 {
			bad[t.Topic] = tooReplicated
		}
		if !goodName(t.Topic) {
			bad[t.Topic] = badName
		}
		for _, c := range t.Configs {
			if why := checkConfig(c.Name, c.Value); why != nil {
				bad[t.Topic] = *why
			}
		}
	}
	if len(bad) == 0 {
		if have, err := b.topicNames(); err == nil && len(have)+len(r.Topics) > b.cfg.MaxTopics {
			for _, t := range r.Topics {
				if !have[t.Topic] { // one that exists gets the engine's answer, when it is asked for alone
					bad[t.Topic] = refusal{kerr.PolicyViolation, fmt.Sprintf("the embedded broker has %d topics; max_topics is %d", len(have), b.cfg.MaxTopics)}
				}
			}
		}
	}
	if len(bad) == 0 {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.CreateTopicsResponse)
	for _, t := range r.Topics {
		rt := kmsg.NewCreateTopicsResponseTopic()
		rt.Topic = t.Topic
		rt.ErrorCode, rt.ErrorMessage = say(bad[t.Topic])
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// say gives the code and text of a refusal; the zero refusal is that of an innocent part of a refused request.
func say(why refusal) (int16, *string) {
	if why.err == nil {
		why = refusal{kerr.PolicyViolation, whole}
	}
	return why.err.Code, &why.text
}

func createPartitions(r *kmsg.CreatePartitionsRequest) kmsg.Response {
	over := false
	for _, t := range r.Topics {
		over = over || t.Count > MaxPartitions
	}
	if !over {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.CreatePartitionsResponse)
	for _, t := range r.Topics {
		why := refusal{}
		if t.Count > MaxPartitions {
			why = tooMany
		}
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic = t.Topic
		rt.ErrorCode, rt.ErrorMessage = say(why)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// checkResource refuses changes of the broker itself, and bad settings of topics.
func checkResource(kind kmsg.ConfigResourceType, settings map[string]*string) *refusal {
	switch kind {
	case kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger:
		return &noBrokerConf
	case kmsg.ConfigResourceTypeTopic:
		for name, value := range settings {
			if why := checkConfig(name, value); why != nil {
				return why
			}
		}
	}
	return nil
}

func alterConfigs(r *kmsg.AlterConfigsRequest) kmsg.Response {
	bad := map[int]refusal{}
	for i, res := range r.Resources {
		settings := map[string]*string{}
		for _, c := range res.Configs {
			settings[c.Name] = c.Value
		}
		if why := checkResource(res.ResourceType, settings); why != nil {
			bad[i] = *why
		}
	}
	if len(bad) == 0 {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.AlterConfigsResponse)
	for i, res := range r.Resources {
		rr := kmsg.NewAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = res.ResourceType, res.ResourceName
		rr.ErrorCode, rr.ErrorMessage = say(bad[i])
		resp.Resources = append(resp.Resources, rr)
	}
	return resp
}

func incrementalAlterConfigs(r *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	bad := map[int]refusal{}
	for i, res := range r.Resources {
		settings := map[string]*string{}
		for _, c := range res.Configs {
			settings[c.Name] = c.Value
			if c.Op == kmsg.IncrementalAlterConfigOpDelete || c.Op == kmsg.IncrementalAlterConfigOpSubtract {
				settings[c.Name] = nil // the name is looked at all the same
			}
		}
		if why := checkResource(res.ResourceType, settings); why != nil {
			bad[i] = *why
		}
	}
	if len(bad) == 0 {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for i, res := range r.Resources {
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = res.ResourceType, res.ResourceName
		rr.ErrorCode, rr.ErrorMessage = say(bad[i])
		resp.Resources = append(resp.Resources, rr)
	}
	return resp
}

// keepLastBatch lowers wishes to delete up to the end. The engine knows where a log ends by its last batch alone: without
// one it would give the same offsets out again after a restart.
func (b *Broker) keepLastBatch(r *kmsg.DeleteRecordsRequest) (changed bool) {
	for i := range r.Topics {
		t := &r.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			info := b.engine.partition(t.Topic, p.Partition)
			if info == nil || info.HighWatermark == info.LogStartOffset || (p.Offset >= 0 && p.Offset != info.HighWatermark) {
				continue
			}
			if p.Offset == -1 || p.Offset == info.HighWatermark {
				p.Offset, changed = info.HighWatermark-1, true
			}
		}
	}
	return changed
}
