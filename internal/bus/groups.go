package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// GroupInfo describes a consumer group.
type GroupInfo struct {
	ID         string
	State      string // Empty, Stable, PreparingRebalance, …
	Members    []GroupMember
	Partitions []GroupPartition // by topic and partition: what it has a position in or is assigned
	Lag        int64            // sum of what is known
}

// GroupMember is one consumer of a group.
type GroupMember struct {
	ID, Instance, Client, Host string
	Assigned                   map[string][]int32
}

// GroupPartition is where a group stands. -1 = not known: no position was stored, or the partition is gone.
type GroupPartition struct {
	Topic              string
	Partition          int32
	Position, End, Lag int64
}

// Groups describes all consumer groups, by id.
func (b *Bus) Groups(ctx context.Context) ([]GroupInfo, error) {
	listed, err := b.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list consumer groups: %w", classify(err))
	}
	var ids []string
	for _, g := range listed.Sorted() {
		if g.ProtocolType != "share" && g.ProtocolType != "connect" { // they have no positions of this kind
			ids = append(ids, g.Group)
		}
	}
	return b.groups(ctx, ids)
}

// SeesGroups tells whether Groups knows all of them: brokers with an authorizer leave out those that the user may not describe, unless he may
// describe the cluster.
func (b *Bus) SeesGroups(ctx context.Context) (bool, error) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.IncludeClusterAuthorizedOperations = true
	resp, err := req.RequestWith(ctx, b.client)
	switch {
	case err == nil:
		return resp.ErrorCode == 0 && resp.ClusterAuthorizedOperations&(1<<kmsg.ACLOperationDescribe) != 0, nil
	case Retryable(err):
		return false, fmt.Errorf("ask for the rights on the cluster: %w", classify(err))
	}
	return false, nil // brokers of before Kafka 2.8 do not tell
}

// PrepareGroups waits until the brokers can keep positions of groups. A new cluster makes the topic for them (__consumer_offsets)
// when somebody first asks who coordinates a group; until it is there nothing is kept, and no group is listed.
func (b *Bus) PrepareGroups(ctx context.Context, groups ...string) error {
	for {
		found := b.admin.FindGroupCoordinators(ctx, groups...)
		err := found.Error()
		if err == nil || !Retryable(classify(err)) || !sleep(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// Group describes one consumer group; ErrUnknownGroup when there is none of that name.
func (b *Bus) Group(ctx context.Context, id string) (*GroupInfo, error) {
	listed, err := b.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list consumer groups: %w", classify(err))
	}
	if _, ok := listed[id]; !ok {
		return nil, fmt.Errorf("%s: %w", id, ErrUnknownGroup)
	}
	all, err := b.groups(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 { // it ended in between
		return nil, fmt.Errorf("%s: %w", id, ErrUnknownGroup)
	}
	return &all[0], nil
}

func (b *Bus) groups(ctx context.Context, ids []string) ([]GroupInfo, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	out, err := b.describeGroups(ctx, ids)
	if err != nil {
		return nil, err
	}
	stored := b.admin.FetchManyOffsets(ctx, ids...)
	topics := map[string]bool{}
	for i := range out {
		g := &out[i]
		s, ok := stored[g.ID]
		if ok && s.Err != nil {
			return nil, fmt.Errorf("positions of group %s: %w", g.ID, classify(s.Err))
		}
		g.take(s.Fetched)
		for _, p := range g.Partitions {
			topics[p.Topic] = true
		}
	}
	logs, err := b.existing(ctx, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].measure(logs)
	}
	return out, nil
}

// describeGroups asks in the words of the classic protocol first, and in those of the new one (KIP-848) for the rest.
func (b *Bus) describeGroups(ctx context.Context, ids []string) ([]GroupInfo, error) {
	classic, err := b.admin.DescribeGroups(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("describe consumer groups: %w", classify(err))
	}
	out := make([]GroupInfo, 0, len(ids))
	var newer []string
	for _, id := range ids {
		switch g, ok := classic[id]; {
		case !ok, errors.Is(g.Err, kerr.GroupIDNotFound), g.Err == nil && g.State == "Dead":
			newer = append(newer, id)
		case g.Err != nil:
			return nil, fmt.Errorf("describe consumer group %s: %w", id, classify(g.Err))
		default:
			out = append(out, classicGroup(&g))
		}
	}
	if len(newer) > 0 {
		// A broker that does not know the new protocol has no such groups: they have ended in between.
		modern, err := b.admin.DescribeConsumerGroups(ctx, newer...)
		if err != nil && Retryable(err) {
			return nil, fmt.Errorf("describe consumer groups: %w", classify(err))
		}
		for _, g := range modern.Sorted() {
			if g.Err == nil {
				out = append(out, modernGroup(&g))
			}
		}
	}
	sorting.By(out, func(a, b GroupInfo) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func classicGroup(g *kadm.DescribedGroup) GroupInfo {
	out := GroupInfo{ID: g.Group, State: g.State}
	for _, m := range g.Members {
		member := GroupMember{ID: m.MemberID, Client: m.ClientID, Host: m.ClientHost, Assigned: map[string][]int32{}}
		if m.InstanceID != nil {
			member.Instance = *m.InstanceID
		}
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				member.Assigned[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
			}
		}
		out.Members = append(out.Members, member)
	}
	return out
}

func modernGroup(g *kadm.DescribedConsumerGroup) GroupInfo {
	out := GroupInfo{ID: g.Group, State: g.State}
	for i := range g.Members {
		m := &g.Members[i]
		member := GroupMember{ID: m.MemberID, Client: m.ClientID, Host: m.ClientHost, Assigned: map[string][]int32{}}
		if m.InstanceID != nil {
			member.Instance = *m.InstanceID
		}
		for _, t := range m.Assignment.Sorted() {
			member.Assigned[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
		}
		out.Members = append(out.Members, member)
	}
	return out
}

// take lists the partitions that the group has a position in or is assigned.
func (g *GroupInfo) take(stored kadm.OffsetResponses) {
	at := map[string]map[int32]int64{}
	for _, m := range g.Members {
		for t, parts := range m.Assigned {
			for _, p := range parts {
				put(at, t, p, -1)
			}
		}
	}
	stored.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			put(at, o.Topic, o.Partition, o.At)
		}
	})
	for _, t := range slices.Sorted(maps.Keys(at)) {
		for _, p := range slices.Sorted(maps.Keys(at[t])) {
			g.Partitions = append(g.Partitions, GroupPartition{Topic: t, Partition: p, Position: at[t][p], End: -1, Lag: -1})
		}
	}
}

func put(m map[string]map[int32]int64, topic string, p int32, v int64) {
	if m[topic] == nil {
		m[topic] = map[int32]int64{}
	}
	m[topic][p] = v
}

// measure works out the lag. Where no position was stored everything in the log is still to be read.
func (g *GroupInfo) measure(logs map[string]map[int32]Range) {
	for i := range g.Partitions {
		p := &g.Partitions[i]
		log, ok := logs[p.Topic][p.Partition]
		if !ok {
			continue
		}
		from := p.Position
		if from < 0 {
			from = log.Start
		}
		p.End, p.Lag = log.End, max(log.End-from, 0)
		g.Lag += p.Lag
	}
}

// existing returns the bounds of the logs of those topics that exist.
func (b *Bus) existing(ctx context.Context, topics []string) (map[string]map[int32]Range, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	shapes, err := b.Shapes(ctx, topics...)
	if err != nil {
		return nil, err
	}
	return b.Offsets(ctx, slices.Collect(maps.Keys(shapes))...)
}

// ResetTo says where a group is put: exactly one of the fields.
type ResetTo struct {
	Earliest, Latest bool
	At               time.Time
	Offsets          map[string]map[int32]int64
}

// Move is one partition of a reset.
type Move struct {
	Topic      string
	Partition  int32
	From       int64 // -1 = no position was stored
	To         int64
	Start, End int64 // what the log holds
}

// PlanReset says what a reset of a group would do. Without offsets of their own all partitions of all topics are moved that the
// group has a position in. Offsets outside of the log are refused.
func (b *Bus) PlanReset(ctx context.Context, g *GroupInfo, to ResetTo) ([]Move, error) {
	topics := map[string]bool{}
	for t := range to.Offsets {
		topics[t] = true
	}
	if to.Offsets == nil {
		for _, p := range g.Partitions {
			topics[p.Topic] = true
		}
	}
	logs, err := b.existing(ctx, slices.Sorted(maps.Keys(topics)))
	if err != nil {
		return nil, err
	}
	goal := to.Offsets
	if goal == nil {
		if goal, err = b.goals(ctx, logs, to); err != nil {
			return nil, err
		}
	}
	from := map[string]map[int32]int64{}
	for _, p := range g.Partitions {
		put(from, p.Topic, p.Partition, p.Position)
	}
	var moves []Move
	for _, t := range slices.Sorted(maps.Keys(goal)) {
		for _, p := range slices.Sorted(maps.Keys(goal[t])) {
			log, ok := logs[t][p]
			if !ok {
				return nil, fmt.Errorf("%s/%d: %w", t, p, ErrUnknownTopic)
			}
			m := Move{Topic: t, Partition: p, From: -1, To: goal[t][p], Start: log.Start, End: log.End}
			if at, ok := from[t][p]; ok {
				m.From = at
			}
			if m.To < log.Start || m.To > log.End {
				return nil, &RefusedError{Detail: fmt.Sprintf("%s/%d holds the offsets %d to %d; %d is outside", t, p, log.Start, log.End, m.To)}
			}
			moves = append(moves, m)
		}
	}
	return moves, nil
}

// goals are the offsets that stand for a start, an end or a time.
func (b *Bus) goals(ctx context.Context, logs map[string]map[int32]Range, to ResetTo) (map[string]map[int32]int64, error) {
	if !to.Earliest && !to.Latest {
		at, err := b.OffsetsAt(ctx, to.At, slices.Collect(maps.Keys(logs))...)
		if err != nil {
			return nil, err
		}
		for t, parts := range at {
			for p, o := range parts {
				at[t][p] = min(max(o, logs[t][p].Start), logs[t][p].End) // the log may have grown since
			}
		}
		return at, nil
	}
	goal := map[string]map[int32]int64{}
	for t, parts := range logs {
		for p, log := range parts {
			if to.Earliest {
				put(goal, t, p, log.Start)
			} else {
				put(goal, t, p, log.End)
			}
		}
	}
	return goal, nil
}

// Reset carries a plan out. A group that has members now is busy: its members would go on from where they are and overwrite it.
func (b *Bus) Reset(ctx context.Context, group string, moves []Move) error {
	var offsets kadm.Offsets
	for _, m := range moves {
		offsets.AddOffset(m.Topic, m.Partition, m.To, -1)
	}
	if len(offsets) == 0 {
		return nil
	}
	err := b.admin.CommitAllOffsets(ctx, group, offsets)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.IllegalGeneration):
		return fmt.Errorf("%s: %w: %w", group, ErrGroupBusy, err)
	}
	return fmt.Errorf("store positions of group %s: %w", group, refused(err, ""))
}
