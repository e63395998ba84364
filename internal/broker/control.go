package broker

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxPartitions of a topic: each costs the engine memory for every batch it holds.
const maxPartitions = 8

// control refuses the requests that would start the engine's own cleaning, which loses data when the process is killed, or
// that make more partitions than it can carry.
func (b *Broker) control() {
	b.cluster.ControlKey(kmsg.CreateTopics.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		return b.refuse(createTopics(r.(*kmsg.CreateTopicsRequest)))
	})
	b.cluster.ControlKey(kmsg.CreatePartitions.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		return b.refuse(createPartitions(r.(*kmsg.CreatePartitionsRequest)))
	})
	b.cluster.ControlKey(kmsg.AlterConfigs.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		return b.refuse(alterConfigs(r.(*kmsg.AlterConfigsRequest)))
	})
	b.cluster.ControlKey(kmsg.IncrementalAlterConfigs.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		return b.refuse(incrementalAlterConfigs(r.(*kmsg.IncrementalAlterConfigsRequest)))
	})
}

func (b *Broker) refuse(resp kmsg.Response) (kmsg.Response, error, bool) {
	if resp == nil {
		return nil, nil, false
	}
	b.cluster.KeepControl()
	return resp, nil, true
}

// compacts tells whether a setting turns compaction on.
func compacts(name string, value *string) bool {
	return name == "cleanup.policy" && value != nil && strings.Contains(*value, "compact")
}

const (
	noCompaction = "the embedded broker does not compact: use cleanup.policy=delete, or Apache Kafka"
	tooMany      = "the embedded broker takes at most 8 partitions a topic: use fewer, or Apache Kafka"
	noBrokerConf = "settings of the embedded broker are made in hxp's own configuration"
)

func createTopics(r *kmsg.CreateTopicsRequest) kmsg.Response {
	bad := map[string]string{}
	for _, t := range r.Topics {
		if t.NumPartitions > maxPartitions || len(t.ReplicaAssignment) > maxPartitions {
			bad[t.Topic] = tooMany
		}
		for _, c := range t.Configs {
			if compacts(c.Name, c.Value) {
				bad[t.Topic] = noCompaction
			}
		}
	}
	if len(bad) == 0 {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.CreateTopicsResponse)
	for _, t := range r.Topics { // one request is one decision: none of them is made
		rt := kmsg.NewCreateTopicsResponseTopic()
		rt.Topic, rt.ErrorCode = t.Topic, kerr.PolicyViolation.Code
		why := bad[t.Topic]
		if why == "" {
			why = "not made because another topic of the same request was refused"
		}
		rt.ErrorMessage = &why
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func createPartitions(r *kmsg.CreatePartitionsRequest) kmsg.Response {
	over := false
	for _, t := range r.Topics {
		over = over || t.Count > maxPartitions
	}
	if !over {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.CreatePartitionsResponse)
	for _, t := range r.Topics {
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic, rt.ErrorCode, rt.ErrorMessage = t.Topic, kerr.PolicyViolation.Code, new(tooMany)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func alterConfigs(r *kmsg.AlterConfigsRequest) kmsg.Response {
	why := ""
	for _, res := range r.Resources {
		if res.ResourceType == kmsg.ConfigResourceTypeBroker {
			why = noBrokerConf
		}
		for _, c := range res.Configs {
			if compacts(c.Name, c.Value) {
				why = noCompaction
			}
		}
	}
	if why == "" {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.AlterConfigsResponse)
	for _, res := range r.Resources {
		rr := kmsg.NewAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = res.ResourceType, res.ResourceName, kerr.PolicyViolation.Code, &why
		resp.Resources = append(resp.Resources, rr)
	}
	return resp
}

func incrementalAlterConfigs(r *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	why := ""
	for _, res := range r.Resources {
		if res.ResourceType == kmsg.ConfigResourceTypeBroker {
			why = noBrokerConf
		}
		for _, c := range res.Configs {
			if compacts(c.Name, c.Value) {
				why = noCompaction
			}
		}
	}
	if why == "" {
		return nil
	}
	resp := r.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for _, res := range r.Resources {
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName, rr.ErrorCode, rr.ErrorMessage = res.ResourceType, res.ResourceName, kerr.PolicyViolation.Code, &why
		resp.Resources = append(resp.Resources, rr)
	}
	return resp
}
