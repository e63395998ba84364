package broker

import (
	"encoding/binary"
	"reflect"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// permit judges a request of a user with rights: it answers what he may not, with Kafka's errors, and prepares the rest. What is not named here is
// for those who may do everything.
func (b *Broker) permit(r *rights, h head, frame []byte) (verdict, error) {
	v := verdict{frame: frame}
	switch kmsg.Key(h.key) {
	case kmsg.ApiVersions, kmsg.DescribeCluster, kmsg.SASLHandshake, kmsg.SASLAuthenticate:
		return v, nil
	}
	corr, _, rest, err := body(h, frame)
	if err != nil {
		return v, err
	}
	v.corr = corr
	if kmsg.Key(h.key) == kmsg.Produce { // a large one of many topics would take far more memory than its bytes
		if err := walkProduce(h.version, rest, new(produced), false); err != nil {
			return v, err
		}
	}
	req := kmsg.RequestForKey(h.key)
	req.SetVersion(h.version)
	if err := req.ReadFrom(rest); err != nil {
		return v, violate("malformed", "a %s request: %v", kmsg.NameForKey(h.key), err)
	}
	var no *kerr.Error
	var may func(topic string) bool // nil = topics do not matter
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		if may = r.mayWrite; req.TransactionID != nil {
			no, may = kerr.TransactionalIDAuthorizationFailed, nil
		}
	case *kmsg.FetchRequest:
		may = r.mayRead
		leaveSession(h, rest)
	case *kmsg.ListOffsetsRequest:
		may = r.maySee
	case *kmsg.OffsetForLeaderEpochRequest:
		may = r.mayRead
	case *kmsg.MetadataRequest:
		v.amend = func(answer []byte) []byte { return r.amendMetadata(req, answer) }
	case *kmsg.ListGroupsRequest:
		v.amend = func(answer []byte) []byte { return r.amendGroups(req, answer) }
	case *kmsg.InitProducerIDRequest:
		if req.TransactionalID != nil {
			no = kerr.TransactionalIDAuthorizationFailed
		} else if len(r.ingest) == 0 {
			no = kerr.ClusterAuthorizationFailed
		}
	default:
		no = r.overGroups(req)
	}
	if may != nil && b.anyTopic(req, func(topic string) bool { return !may(topic) }) {
		no = kerr.TopicAuthorizationFailed
	}
	if no == nil {
		return v, nil
	}
	return v, b.deny(&v, req, no, may)
}

// overGroups judges what is about consumer groups.
func (r *rights) overGroups(req kmsg.Request) *kerr.Error {
	var groups []string
	switch req := req.(type) {
	case *kmsg.FindCoordinatorRequest:
		if req.CoordinatorType == 1 {
			return kerr.TransactionalIDAuthorizationFailed
		}
		if groups = req.CoordinatorKeys; req.Version < 4 {
			groups = []string{req.CoordinatorKey}
		}
	case *kmsg.JoinGroupRequest:
		groups = []string{req.Group}
	case *kmsg.SyncGroupRequest:
		groups = []string{req.Group}
	case *kmsg.HeartbeatRequest:
		groups = []string{req.Group}
	case *kmsg.LeaveGroupRequest:
		groups = []string{req.Group}
	case *kmsg.OffsetCommitRequest:
		groups = []string{req.Group}
	case *kmsg.OffsetFetchRequest:
		if groups = []string{req.Group}; req.Version >= 8 {
			groups = nil
			for _, g := range req.Groups {
				groups = append(groups, g.Group)
			}
		}
	case *kmsg.DescribeGroupsRequest:
		groups = req.Groups
	case *kmsg.ConsumerGroupDescribeRequest:
		groups = req.Groups
	case *kmsg.ConsumerGroupHeartbeatRequest:
		if groups = []string{req.Group}; req.SubscribedTopicRegex != nil { // the engine would look for topics that he may not know of
			return kerr.TopicAuthorizationFailed
		}
	default:
		return forAdmins(req)
	}
	for _, g := range groups {
		if !r.mayUse(g) {
			return kerr.GroupAuthorizationFailed
		}
	}
	return nil
}

// forAdmins is the error of what is for those who may do everything: that of topics where it is about some, as Kafka has it.
func forAdmins(req kmsg.Request) *kerr.Error {
	v := reflect.ValueOf(req).Elem()
	switch {
	case v.FieldByName("TransactionalID").IsValid():
		return kerr.TransactionalIDAuthorizationFailed
	case v.FieldByName("Group").IsValid() || v.FieldByName("Groups").IsValid():
		return kerr.GroupAuthorizationFailed
	case v.FieldByName("Topics").IsValid():
		return kerr.TopicAuthorizationFailed
	}
	return kerr.ClusterAuthorizationFailed
}

// leaveSession makes a fetch one that stands for itself. The engine numbers sessions one after the other and asks nobody whose they are: who
// guesses a number would be given what another one reads.
func leaveSession(h head, rest []byte) {
	at := 3*4 + 4 + 1 // replica id, longest wait, least bytes; most bytes, isolation
	if h.version >= 15 {
		at -= 4 // no replica id
	}
	if h.version >= 7 && len(rest) >= at+8 {
		binary.BigEndian.PutUint32(rest[at:], 0)
		binary.BigEndian.PutUint32(rest[at+4:], 0xffffffff)
	}
}

// amendMetadata takes out of an answer what the user may not know of.
func (r *rights) amendMetadata(req *kmsg.MetadataRequest, answer []byte) []byte {
	asked := map[string]bool{}
	for _, t := range req.Topics {
		if t.Topic != nil {
			asked[*t.Topic] = true
		}
	}
	return amend(req, answer, func(resp *kmsg.MetadataResponse) {
		kept := resp.Topics[:0]
		for _, t := range resp.Topics {
			switch {
			case t.Topic == nil || r.maySee(*t.Topic):
			case len(req.Topics) == 0:
				continue
			case asked[*t.Topic]:
				name := t.Topic
				t = kmsg.NewMetadataResponseTopic()
				t.Topic, t.ErrorCode = name, kerr.TopicAuthorizationFailed.Code
			default: // asked by its id
				id := t.TopicID
				t = kmsg.NewMetadataResponseTopic()
				t.TopicID, t.ErrorCode = id, kerr.UnknownTopicID.Code
			}
			kept = append(kept, t)
		}
		resp.Topics = kept
	})
}

// amendGroups leaves the groups that the user may use.
func (r *rights) amendGroups(req *kmsg.ListGroupsRequest, answer []byte) []byte {
	return amend(req, answer, func(resp *kmsg.ListGroupsResponse) {
		kept := resp.Groups[:0]
		for _, g := range resp.Groups {
			if r.mayUse(g.Group) {
				kept = append(kept, g)
			}
		}
		resp.Groups = kept
	})
}

// amend changes an answer of the engine. One that cannot be read is not given out.
func amend[R kmsg.Response](req kmsg.Request, answer []byte, change func(R)) []byte {
	resp := req.ResponseKind().(R)
	at := 8 // length, correlation
	if resp.IsFlexible() {
		at++ // no tags
	}
	if len(answer) < at || resp.ReadFrom(answer[at:]) != nil {
		return nil
	}
	change(resp)
	return encodeAnswer(int32(binary.BigEndian.Uint32(answer[4:])), resp)
}

// anyTopic tells whether one of the topics that a request names, or has the id of, is so.
func (b *Broker) anyTopic(req kmsg.Request, so func(topic string) bool) bool {
	topics := reflect.ValueOf(req).Elem().FieldByName("Topics")
	if topics.Kind() != reflect.Slice || topics.Type().Elem().Kind() != reflect.Struct {
		return false
	}
	for i := range topics.Len() {
		if name, known := b.topicOf(topics.Index(i)); known && so(name) {
			return true
		}
	}
	return false
}

// topicOf is the name of a topic in a request; not known when it is an id that nothing has.
func (b *Broker) topicOf(t reflect.Value) (name string, known bool) {
	if id := t.FieldByName("TopicID"); id.IsValid() && !id.IsZero() {
		info := b.engine.topicByID(id.Interface().([16]byte))
		if info == nil {
			return "", false
		}
		return info.Topic, true
	}
	if f := t.FieldByName("Topic"); f.Kind() == reflect.String {
		return f.String(), true
	}
	return "", false
}

// deny answers a request that is refused: it says of everything that was asked for that it may not be. Where some topics of it could be, they are
// not done either; their error is one at which clients look again at what they know of topics and try once more, without the others.
func (b *Broker) deny(v *verdict, req kmsg.Request, no *kerr.Error, may func(topic string) bool) error {
	if p, ok := req.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return violate("rights", "a write without an answer to a topic that the user may not write")
	}
	v.answer = req.ResponseKind()
	codeOf := func(item reflect.Value) int16 {
		if name, known := b.topicOf(item); may != nil && known && may(name) {
			return kerr.NotLeaderForPartition.Code
		}
		return no.Code
	}
	if !mirror(reflect.ValueOf(req).Elem(), reflect.ValueOf(v.answer).Elem(), no.Code, codeOf) {
		return violate("rights", "a %s request, which the user may not make", kmsg.NameForKey(req.Key()))
	}
	return nil
}

// asks are fields of requests that answers call by another name.
var asks = map[string]string{"Topics": "TopicNames", "Coordinators": "CoordinatorKeys"}

// mirror fills an answer with what the request asks for, and an error beside each; false when it found no place for one. An error of topics stands
// beside these alone where there are some.
func mirror(req, resp reflect.Value, code int16, codeOf func(item reflect.Value) int16) (said bool) {
	defer func() {
		if f := resp.FieldByName("ErrorCode"); f.Kind() == reflect.Int16 && !(said && code == kerr.TopicAuthorizationFailed.Code) {
			f.SetInt(int64(code))
			said = true
		}
	}()
	for i := range resp.NumField() {
		name, to := resp.Type().Field(i).Name, resp.Field(i)
		from := req.FieldByName(name)
		if other := req.FieldByName(asks[name]); other.IsValid() && other.Len() > 0 {
			from = other
		}
		switch {
		case name == "Version", name == "ErrorCode":
		case !from.IsValid():
		case from.Type() == to.Type():
			to.Set(from)
		case to.Kind() == reflect.Slice && from.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Struct:
			for j := range from.Len() {
				item, out := from.Index(j), reflect.New(to.Type().Elem())
				if d, ok := out.Interface().(interface{ Default() }); ok {
					d.Default()
				}
				of := code
				if item.Kind() == reflect.Struct {
					if name == "Topics" {
						of = codeOf(item)
					}
					said = mirror(item, out.Elem(), of, codeOf) || said
				} else {
					said = named(item, out.Elem(), of) || said
				}
				to.Set(reflect.Append(to, out.Elem()))
			}
		}
	}
	return said
}

// named fills what an answer says of one name or number.
func named(item, out reflect.Value, code int16) bool {
	for _, name := range []string{"Key", "Group", "Topic", "Partition"} {
		switch f := out.FieldByName(name); {
		case !f.IsValid():
		case f.Type() == item.Type():
			f.Set(item)
		case f.Kind() == reflect.Pointer && f.Type().Elem() == item.Type():
			f.Set(reflect.New(item.Type()))
			f.Elem().Set(item)
		}
	}
	f := out.FieldByName("ErrorCode")
	if f.IsValid() {
		f.SetInt(int64(code))
	}
	return f.IsValid()
}
