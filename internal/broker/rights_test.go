package broker_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hxp-enterprise/hxp/internal/broker"
)

// withUsers starts a broker with a file of users.
func withUsers(t *testing.T, text string, cfg broker.Config) (b *running, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Login, cfg.UsersFile = true, file
	return run(t, cfg, nil), file
}

// as lets a client log in under a name that is the password too.
func as(user string) kgo.Opt { return kgo.SASL(mechanisms(user, user)["SCRAM-SHA-256"]) }

const usersWithRights = `ann:ann
gate:gate
eye:eye
boss:boss
allow gate ingest topics=events,in-*
allow eye read topics=events groups=eye-*
allow boss admin
`

// TestRights: each user may what his lines say, and hears Kafka's own errors of the rest.
func TestRights(t *testing.T) {
	b, _ := withUsers(t, usersWithRights, broker.Config{})
	ann := client(t, b.Addr(), as("ann"))
	create(t, ann, 1, nil, "events", "in-1", "secret", "hxp-own")
	for _, name := range []string{"events", "secret"} {
		produce(t, ann, name, 0, 3, 10)
	}
	write := func(user, topic string) error {
		c := client(t, b.Addr(), as(user))
		return c.ProduceSync(deadline(t), &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr()
	}
	read := func(user, group, topic string) error {
		opts := []kgo.Opt{as(user), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
		if group != "" {
			opts = append(opts, kgo.ConsumerGroup(group))
		}
		c := client(t, b.Addr(), opts...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return c.PollFetches(ctx).Err0()
	}
	for name, c := range map[string]struct{ err, want error }{
		"gate writes events":               {write("gate", "events"), nil},
		"gate writes by a beginning":       {write("gate", "in-1"), nil},
		"gate writes secret":               {write("gate", "secret"), kerr.TopicAuthorizationFailed},
		"gate reads events":                {read("gate", "", "events"), kerr.TopicAuthorizationFailed},
		"eye reads events":                 {read("eye", "", "events"), nil},
		"eye reads events in its group":    {read("eye", "eye-1", "events"), nil},
		"eye reads events in another":      {read("eye", "others", "events"), kerr.GroupAuthorizationFailed},
		"eye reads secret":                 {read("eye", "", "secret"), kerr.TopicAuthorizationFailed},
		"eye writes events":                {write("eye", "events"), kerr.ClusterAuthorizationFailed}, // it may not even be a producer
		"eye asks for what is not there":   {read("eye", "", "nothing"), kerr.TopicAuthorizationFailed},
		"boss writes secret":               {write("boss", "secret"), nil},
		"ann, of whom nothing is said":     {write("ann", "hxp-own"), nil},
		"ann reads in a group of her wish": {read("ann", "any", "secret"), nil},
	} {
		if !errors.Is(c.err, c.want) || (c.want == nil) != (c.err == nil) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	b.stop(t)
}

// TestRightsOfAdministration: what changes the broker, or tells of others, is for those who may do everything.
func TestRightsOfAdministration(t *testing.T) {
	b, _ := withUsers(t, usersWithRights, broker.Config{})
	ann := client(t, b.Addr(), as("ann"))
	create(t, ann, 1, nil, "events", "secret")
	eye := kadm.NewClient(client(t, b.Addr(), as("eye")))
	for _, group := range []string{"eye-1", "other"} {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: "events", At: 1})
		if err := kadm.NewClient(ann).CommitAllOffsets(deadline(t), group, offsets); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"create a topic":     {func() error { _, err := eye.CreateTopic(deadline(t), 1, 1, nil, "more"); return err }, kerr.TopicAuthorizationFailed},
		"delete a topic":     {func() error { _, err := eye.DeleteTopic(deadline(t), "events"); return err }, kerr.TopicAuthorizationFailed},
		"delete a group":     {func() error { _, err := eye.DeleteGroup(deadline(t), "eye-1"); return err }, kerr.GroupAuthorizationFailed},
		"offsets of another": {func() error { _, err := eye.FetchOffsets(deadline(t), "other"); return err }, kerr.GroupAuthorizationFailed},
		"describe another":   {func() error { g, err := eye.DescribeGroups(deadline(t), "other"); return errors.Join(err, g.Error()) }, kerr.GroupAuthorizationFailed},
		"delete records": {func() error {
			o := kadm.Offsets{}
			o.Add(kadm.Offset{Topic: "events", At: 1})
			r, err := eye.DeleteRecords(deadline(t), o)
			return errors.Join(err, r.Error())
		}, kerr.TopicAuthorizationFailed},
		"settings": {func() error { _, err := eye.DescribeTopicConfigs(deadline(t), "events"); return err }, kerr.ClusterAuthorizationFailed},
	} {
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	topics, err := eye.ListTopics(deadline(t))
	if err != nil || !slices.Equal(topics.Names(), []string{"events"}) {
		t.Errorf("eye sees %v, %v", topics.Names(), err)
	}
	groups, err := eye.ListGroups(deadline(t))
	if err != nil || !slices.Equal(groups.Groups(), []string{"eye-1"}) {
		t.Errorf("eye sees the groups %v, %v", groups.Groups(), err)
	}
	b.stop(t)
}

// loggedIn is a connection of a user, frame by frame.
func loggedIn(t *testing.T, b *running, user string) net.Conn {
	t.Helper()
	c := dial(t, b.Addr())
	hello := kmsg.NewPtrSASLHandshakeRequest()
	hello.Version, hello.Mechanism = 1, "PLAIN"
	say := kmsg.NewPtrSASLAuthenticateRequest()
	say.Version, say.SASLAuthBytes = 1, []byte("\x00"+user+"\x00"+user)
	ask(t, c, hello)
	if r := ask(t, c, say).(*kmsg.SASLAuthenticateResponse); r.ErrorCode != 0 {
		t.Fatalf("%s does not get in: %d", user, r.ErrorCode)
	}
	return c
}

func fetchOf(session, epoch int32, topics ...string) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.SessionID, r.SessionEpoch, r.MaxBytes, r.ReplicaID = 11, session, epoch, 1<<20, -1
	for _, name := range topics {
		topic, part := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		part.PartitionMaxBytes = 1 << 20
		topic.Topic, topic.Partitions = name, append(topic.Partitions, part)
		r.Topics = append(r.Topics, topic)
	}
	return r
}

// TestSessionsOfOthers: the engine gives what a fetch session reads to whoever names its number. A user with rights has no sessions.
func TestSessionsOfOthers(t *testing.T) {
	b, _ := withUsers(t, usersWithRights, broker.Config{})
	c := client(t, b.Addr(), as("ann"))
	create(t, c, 1, nil, "events", "secret")
	produce(t, c, "secret", 0, 1, 10)
	opened := ask(t, loggedIn(t, b, "ann"), fetchOf(0, 0, "secret")).(*kmsg.FetchResponse)
	if opened.SessionID == 0 {
		t.Fatal("ann has no session")
	}
	produce(t, c, "secret", 0, 1, 10)
	eye := loggedIn(t, b, "eye")
	stolen := ask(t, eye, fetchOf(opened.SessionID, 1)).(*kmsg.FetchResponse)
	if len(stolen.Topics) != 0 || stolen.SessionID != 0 {
		t.Errorf("eye is given %+v", stolen)
	}
	mixed := ask(t, eye, fetchOf(0, 0, "events", "secret")).(*kmsg.FetchResponse)
	if len(mixed.Topics) != 2 || mixed.ErrorCode != 0 || mixed.SessionID != 0 ||
		mixed.Topics[0].Partitions[0].ErrorCode != kerr.NotLeaderForPartition.Code || mixed.Topics[1].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("of both: %+v", mixed)
	}
	b.stop(t)
}

// TestUsersWhoAreNoMoreAreCut: a connection ends with the user, his password or his rights, and others stay.
func TestUsersWhoAreNoMoreAreCut(t *testing.T) {
	b, file := withUsers(t, usersWithRights, broker.Config{})
	gone, changed, other, stays := loggedIn(t, b, "gate"), loggedIn(t, b, "eye"), loggedIn(t, b, "boss"), loggedIn(t, b, "ann")
	text := "ann:ann\neye:another\nboss:boss\nallow boss read\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{gone, changed, other} {
		closedByBroker(t, c)
	}
	ask(t, stays, kmsg.NewPtrMetadataRequest())
	b.stop(t)
}

// TestStrangersDoNotKeepThisProcessOut: all places may be taken, those who run the broker get in.
func TestStrangersDoNotKeepThisProcessOut(t *testing.T) {
	b, _ := withUsers(t, "ann:ann\n", broker.Config{MaxConnections: 1})
	dial(t, b.Addr())
	late := dial(t, b.Addr())
	if _, err := io.ReadAll(late); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("there is a place for a second stranger")
	}
	if err := client(t, b.Addr(), kgo.Dialer(b.Dial)).Ping(deadline(t)); err != nil {
		t.Errorf("from inside: %v", err)
	}
	b.stop(t)
}
