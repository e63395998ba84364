package bus

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// numbersBalancer shares out partition numbers: whoever has a number has that partition of every topic. A number stays where it is
// as far as the members have equally many, within one; it moves cooperatively, so the others stay untouched meanwhile.
type numbersBalancer struct{}

// ProtocolName is part of kgo.GroupBalancer.
func (numbersBalancer) ProtocolName() string { return "hxp-numbers" }

// IsCooperative is part of kgo.GroupBalancer.
func (numbersBalancer) IsCooperative() bool { return true }

// JoinGroupMetadata is part of kgo.GroupBalancer.
func (numbersBalancer) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version, meta.Topics, meta.Generation = 3, slices.Sorted(slices.Values(topics)), generation
	for topic, parts := range current {
		own := kmsg.NewConsumerMemberMetadataOwnedPartition()
		own.Topic, own.Partitions = topic, parts
		meta.OwnedPartitions = append(meta.OwnedPartitions, own)
	}
	sorting.By(meta.OwnedPartitions, func(a, b kmsg.ConsumerMemberMetadataOwnedPartition) int {
		return cmp.Compare(a.Topic, b.Topic)
	})
	return meta.AppendTo(nil)
}

// ParseSyncAssignment is part of kgo.GroupBalancer.
func (numbersBalancer) ParseSyncAssignment(assignment []byte) (map[string][]int32, error) {
	return kgo.ParseConsumerSyncAssignment(assignment)
}

// MemberBalancer is part of kgo.GroupBalancer.
func (b numbersBalancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	c, err := kgo.NewConsumerBalancer(b, members)
	if err != nil {
		return nil, nil, err
	}
	return c, c.MemberTopics(), nil
}

// Balance is part of kgo.ConsumerBalancerBalance.
func (numbersBalancer) Balance(b *kgo.ConsumerBalancer, topics map[string]int32) kgo.IntoSyncAssignment {
	numbers := int32(0)
	for _, n := range topics {
		numbers = max(numbers, n)
	}
	var all []claimant
	b.EachMember(func(m *kmsg.JoinGroupResponseMember, meta *kmsg.ConsumerMemberMetadata) {
		c := claimant{name: m.MemberID, generation: meta.Generation}
		if m.InstanceID != nil {
			c.name = *m.InstanceID
		}
		for _, own := range meta.OwnedPartitions {
			c.owns = append(c.owns, own.Partitions...)
		}
		all = append(all, c)
	})
	owners := share(numbers, all)
	plan := b.NewPlan()
	for n, owner := range owners {
		member, meta := b.MemberAt(owner)
		for topic, partitions := range topics {
			if int32(n) < partitions && slices.Contains(meta.Topics, topic) {
				plan.AddPartition(member, topic, int32(n))
			}
		}
	}
	plan.AdjustCooperative(b)
	return plan
}

// claimant is a member as it asks for numbers.
type claimant struct {
	name       string
	generation int32 // at which it says that it has them
	owns       []int32
}

// share says which of some members has each of the numbers from 0 on. The same members get the same, in whatever order they come.
func share(numbers int32, members []claimant) (owner []int) {
	owner = make([]int, numbers)
	for n := range owner {
		owner[n] = -1
	}
	if len(members) == 0 {
		return nil
	}
	order := make([]int, len(members)) // by name
	for i := range order {
		order[i] = i
	}
	sorting.By(order, func(a, b int) int { return cmp.Compare(members[a].name, members[b].name) })
	for _, i := range order { // of two that say that they have a number, the one that was told later
		for _, n := range members[i].owns {
			if n >= 0 && n < numbers && (owner[n] < 0 || members[owner[n]].generation < members[i].generation) {
				owner[n] = i
			}
		}
	}
	has := make([]int, len(members))
	for _, i := range owner {
		if i >= 0 {
			has[i]++
		}
	}
	room := quotas(int(numbers), has, order)
	var free []int
	for n, i := range owner {
		if i < 0 || room[i] == 0 {
			free = append(free, n)
			continue
		}
		room[i]--
	}
	for _, n := range free {
		for len(order) > 1 && room[order[0]] == 0 {
			order = order[1:]
		}
		owner[n] = order[0]
		room[order[0]]--
	}
	return owner
}

// quotas say how many numbers each member gets. One more than others get those that have the most already.
func quotas(numbers int, has, order []int) []int {
	room := make([]int, len(has))
	most := slices.Clone(order)
	sorting.StableBy(most, func(a, b int) int { return cmp.Compare(has[b], has[a]) })
	for at, i := range most {
		room[i] = numbers / len(has)
		if at < numbers%len(has) {
			room[i]++
		}
	}
	return room
}
