package bus

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// CheckRights tells whether the user may do with the topics what hxp does: read and write them, look whether they are as
// configured, and cut off the beginning of hxp-panes, which has no retention. The error is ErrAccess and lists what is missing,
// with the commands that give it. Brokers without an authorizer allow everything; topics that do not exist are passed over.
func (b *Bus) CheckRights(ctx context.Context, topics []event.Topic) error {
	names := make([]string, len(topics))
	for i := range topics {
		names[i] = topics[i].Name
	}
	return b.checkRights(ctx, names, func(topic string) []kmsg.ACLOperation {
		need := []kmsg.ACLOperation{kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribeConfigs}
		if topic == event.TopicPanes {
			need = append(need, kmsg.ACLOperationDelete)
		}
		return need
	})
}

// MayDelete tells in the same way whether the user may delete records of a topic.
func (b *Bus) MayDelete(ctx context.Context, topic string) error {
	return b.checkRights(ctx, []string{topic}, func(string) []kmsg.ACLOperation { return []kmsg.ACLOperation{kmsg.ACLOperationDelete} })
}

func (b *Bus) checkRights(ctx context.Context, topics []string, needs func(topic string) []kmsg.ACLOperation) error {
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for i := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &topics[i]
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, b.client)
	if err != nil {
		return fmt.Errorf("ask for the rights of the user: %w", b.explain(ctx, err))
	}
	missing := map[kmsg.ACLOperation][]string{}
	for _, t := range resp.Topics {
		if t.Topic == nil {
			continue
		}
		for _, op := range lacking(t, needs(*t.Topic)) {
			missing[op] = append(missing[op], *t.Topic)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return b.lacks(missing)
}

// lacking are the needed operations that a topic does not allow.
func lacking(t kmsg.MetadataResponseTopic, need []kmsg.ACLOperation) []kmsg.ACLOperation {
	if t.ErrorCode == kerr.TopicAuthorizationFailed.Code {
		return need
	}
	if t.ErrorCode != 0 || t.AuthorizedOperations == math.MinInt32 { // the broker does not tell
		return nil
	}
	return slices.DeleteFunc(need, func(op kmsg.ACLOperation) bool { return t.AuthorizedOperations&(1<<op) != 0 })
}

// lacks says what is missing and how to give it.
func (b *Bus) lacks(missing map[kmsg.ACLOperation][]string) error {
	principal := b.keys.principal()
	var what, how []string
	for _, op := range []struct {
		code kmsg.ACLOperation
		name string
	}{{kmsg.ACLOperationRead, "Read"}, {kmsg.ACLOperationWrite, "Write"}, {kmsg.ACLOperationDelete, "Delete"}, {kmsg.ACLOperationDescribeConfigs, "DescribeConfigs"}} {
		if names := missing[op.code]; len(names) > 0 {
			slices.Sort(names)
			what = append(what, op.name+" on "+strings.Join(names, ", "))
			how = append(how, fmt.Sprintf("kafka-acls --bootstrap-server %s --add --allow-principal '%s' --operation %s --topic %s", b.cfg.Bootstrap[0], principal, op.name, strings.Join(names, " --topic ")))
		}
	}
	return access("the user of hxp lacks rights: %s; give them with: %s", strings.Join(what, "; "), strings.Join(how, " && "))
}
