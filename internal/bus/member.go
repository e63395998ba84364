package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// MemberOptions say which group is joined and who is told of what the member has.
type MemberOptions struct {
	Group    string
	Instance string   // names a static member, whose numbers are kept for it while it is away for less than Session; "" = none
	Topics   []string // partitions are shared out by their number, over all of these alike
	Session  time.Duration

	// Given is told of each new assignment: numbers are those that are new, maybe none. Taken is told of those that go to others,
	// which get them when it returns or ctx ends; Lost, that the group thinks this member dead, so others may have everything by now.
	// They are called one at a time and must not call the Member.
	Given func(numbers []int32)
	Taken func(ctx context.Context, numbers []int32)
	Lost  func()
}

// Member is a member of a consumer group that reads nothing through it: it is told which partition numbers are its own, and writes
// positions for others to look at.
type Member struct {
	bus    *Bus
	opts   MemberOptions
	client *kgo.Client
	stop   context.CancelFunc // ends everything that the client does
	writes chan struct{}      // has a token while a position is being written
	work   sync.WaitGroup
	once   sync.Once

	mu      sync.Mutex
	have    map[int32]map[string]bool // numbers, and of which topics
	joined  bool
	trouble error
	closed  bool
}

// handover bounds how long Taken may take: others wait for the number meanwhile.
const handover = 5 * time.Second

// Join makes a member. It keeps trying to be one until Close, whatever the brokers do.
func (b *Bus) Join(o MemberOptions) (*Member, error) {
	m := &Member{bus: b, opts: o, have: map[int32]map[string]bool{}, writes: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	opts := b.clientOpts(
		kgo.ConsumerGroup(o.Group), kgo.ConsumeTopics(o.Topics...), kgo.Balancers(numbersBalancer{}), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(o.Session), kgo.HeartbeatInterval(min(o.Session/5, 2*time.Second)), kgo.RebalanceTimeout(o.Session+handover),
		kgo.OnPartitionsAssigned(m.given), kgo.OnPartitionsRevoked(m.taken), kgo.OnPartitionsLost(m.lost), kgo.WithHooks(m), kgo.WithContext(ctx),
	)
	if o.Instance != "" {
		opts = append(opts, kgo.InstanceID(o.Instance))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("kafka group member: %w", err)
	}
	client.PauseFetchTopics(o.Topics...)
	m.client = client
	if err := b.track(m); err != nil {
		cancel()
		client.Close()
		return nil, err
	}
	m.work.Go(func() {
		for ctx.Err() == nil { // nothing comes but what the library has to say
			client.PollFetches(ctx)
		}
	})
	return m, nil
}

func (m *Member) given(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	m.mu.Lock()
	m.joined, m.trouble = true, nil
	var fresh []int32
	each(parts, func(topic string, p int32) {
		if m.have[p] == nil {
			m.have[p] = map[string]bool{}
			fresh = append(fresh, p)
		}
		m.have[p][topic] = true
	})
	m.mu.Unlock()
	slices.Sort(fresh)
	m.opts.Given(fresh)
}

func (m *Member) taken(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	m.mu.Lock()
	var gone []int32
	each(parts, func(topic string, p int32) {
		delete(m.have[p], topic)
		if m.have[p] != nil && len(m.have[p]) == 0 {
			delete(m.have, p)
			gone = append(gone, p)
		}
	})
	m.mu.Unlock()
	if len(gone) == 0 {
		return
	}
	slices.Sort(gone)
	ctx, cancel := context.WithTimeout(ctx, handover)
	defer cancel()
	m.opts.Taken(ctx, gone)
}

func (m *Member) lost(context.Context, *kgo.Client, map[string][]int32) {
	m.mu.Lock()
	m.have, m.joined = map[int32]map[string]bool{}, false
	m.mu.Unlock()
	m.opts.Lost()
}

func each(parts map[string][]int32, fn func(topic string, p int32)) {
	for topic, list := range parts {
		for _, p := range list {
			fn(topic, p)
		}
	}
}

// OnGroupManageError is part of kgo.HookGroupManageError.
func (m *Member) OnGroupManageError(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joined, m.trouble = false, classify(err)
}

// Joined tells whether the group has this member, and why not if that is known.
func (m *Member) Joined() (joined bool, trouble error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.joined, m.trouble
}

// Refresh looks at the topics at once: they have other partitions now, which are to be shared out.
func (m *Member) Refresh() { m.client.ForceMetadataRefresh() }

// Commit stores positions (topic → partition → next offset) as this member, as CommitGroup does for a group without members.
func (m *Member) Commit(ctx context.Context, next map[string]map[int32]int64) error {
	at := map[string]map[int32]kgo.EpochOffset{}
	for topic, parts := range next {
		at[topic] = map[int32]kgo.EpochOffset{}
		for p, offset := range parts {
			at[topic][p] = kgo.EpochOffset{Epoch: -1, Offset: offset}
		}
	}
	select {
	case m.writes <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	if !m.begin(func() { // the library waits in it for a rebalance to end, whatever becomes of ctx
		done <- m.commit(ctx, at)
		<-m.writes
	}) {
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin runs f beside, unless the member is closed.
func (m *Member) begin(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.work.Go(f)
	}
	return !m.closed
}

func (m *Member) commit(ctx context.Context, at map[string]map[int32]kgo.EpochOffset) (failed error) {
	m.client.CommitOffsetsSync(ctx, at, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				failed = cmp.Or(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	if failed != nil {
		return fmt.Errorf("commit positions of group %s: %w", m.opts.Group, classify(failed))
	}
	return nil
}

// leaveTime is how long the end waits for the group.
const leaveTime = time.Second

// Close gives everything up and leaves the group, so that nobody waits for this member.
func (m *Member) Close() {
	m.once.Do(func() {
		m.bus.untrack(m)
		m.mu.Lock()
		m.closed = true
		m.mu.Unlock()
		leave, cancel := context.WithTimeout(context.Background(), leaveTime)
		_ = m.client.LeaveGroupContext(leave) // waits for a rebalance to end
		cancel()
		m.stop() // then it does no longer
		m.client.Close()
		m.work.Wait()
		if m.opts.Instance != "" { // the library does not leave as a static member
			m.leave()
		}
	})
}

// leave names the instance alone: the group may have made a member of it that this one was never told of.
func (m *Member) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	left, err := m.bus.admin.LeaveGroup(ctx, kadm.LeaveGroup(m.opts.Group).InstanceIDs(m.opts.Instance).Reason("the instance ends"))
	if err == nil {
		err = left.Error()
	}
	if err != nil {
		m.bus.log.Debug("group not left, its session will end", "group", m.opts.Group, "instance", m.opts.Instance, "error", err)
	}
}

// Rivals are the members that a group has beside that of an instance. A group that nobody has made yet has none.
func (b *Bus) Rivals(ctx context.Context, group, instance string) (n int, err error) {
	g, err := b.Group(ctx, group)
	if errors.Is(err, ErrUnknownGroup) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, m := range g.Members {
		if m.Instance == "" || m.Instance != instance {
			n++
		}
	}
	return n, nil
}
