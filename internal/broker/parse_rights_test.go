package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAmong(t *testing.T) {
	for _, c := range []struct {
		list, name string
		want       bool
	}{
		{"events", "events", true}, {"events", "events2", false}, {"ev*", "events", true}, {"ev*", "other", false},
		{"*", "events", true}, {"*", "hxp-audit", false}, {"hxp-*", "hxp-audit", true}, {"a,hxp-audit", "hxp-audit", true}, {"", "", false},
	} {
		var list []string
		if c.list != "" {
			list = strings.Split(c.list, ",")
		}
		if got := among(list, c.name); got != c.want {
			t.Errorf("%q in %q: %v", c.name, c.list, got)
		}
	}
}

func TestRightsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"ann:x\nallow ann":                   ":2: write allow NAME SCOPE",
		"ann:x\nallow ann look":              `:2: there is no scope "look"`,
		"ann:x\nallow ann read topic=a":      `:2: there is no "topic"`,
		"ann:x\nallow ann read topics=":      ":2: \"topics=\" names nothing",
		"ann:x\nallow ann read topics=a,,b":  "names nothing",
		"ann:x\nallow ann read topics=a*b":   "names nothing",
		"ann:x\n\nallow bob read\nallow bob": ":4: write allow",
		"ann:x\n\nallow bob read":            ":3: there is no user bob",
	} {
		_, err := newUsers(Config{UsersFile: usersFile(t, text)}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// nobody is a broker that has no topics, and a user who may nothing.
func nobody(t testing.TB) (*Broker, *rights) {
	b, err := New(Config{Addr: "x:1"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.guard = &guard{allowed: versions()}
	return b, &rights{}
}

// TestWhoMayNothingIsToldSo: every kind of request, those too that this program does not know yet, is answered with an error that clients can read, or
// ends the connection. What passes is on a closed list.
func TestWhoMayNothingIsToldSo(t *testing.T) {
	b, r := nobody(t)
	free := map[kmsg.Key]bool{kmsg.ApiVersions: true, kmsg.DescribeCluster: true, kmsg.SASLHandshake: true, kmsg.SASLAuthenticate: true,
		kmsg.Metadata: true, kmsg.ListGroups: true, kmsg.FindCoordinator: true} // filtered; a coordinator of no group
	told := 0
	for key := range int16(100) {
		highest, served := versions().LookupMaxKeyVersion(key)
		if !served || highest < 0 || kmsg.RequestForKey(key) == nil {
			continue
		}
		for version := range highest + 1 {
			req := kmsg.RequestForKey(key)
			req.SetVersion(version)
			v, err := b.permit(r, head{key: key, version: version}, kmsg.NewRequestFormatter().AppendRequest(nil, req, 1))
			switch {
			case err != nil:
				if !strings.HasPrefix(err.Error(), "rights: ") && kmsg.Key(key) != kmsg.ControlledShutdown { // its first version has a header of its own
					t.Errorf("%s %d: %v", kmsg.NameForKey(key), version, err)
				}
			case v.answer != nil:
				told++
				resp := req.ResponseKind()
				if err := resp.ReadFrom(v.answer.AppendTo(nil)); err != nil {
					t.Errorf("%s %d: the answer cannot be read: %v", kmsg.NameForKey(key), version, err)
				}
			case !free[kmsg.Key(key)] && !aboutNothing[kmsg.Key(key)]:
				t.Errorf("%s %d passes", kmsg.NameForKey(key), version)
			}
		}
	}
	if told < 60 {
		t.Errorf("%d kinds and versions of requests are answered", told)
	}
}

// aboutNothing are requests that name what they are about, and these here name nothing.
var aboutNothing = map[kmsg.Key]bool{kmsg.Produce: true, kmsg.Fetch: true, kmsg.ListOffsets: true, kmsg.OffsetForLeaderEpoch: true, kmsg.DescribeGroups: true,
	kmsg.ConsumerGroupDescribe: true, kmsg.OffsetFetch: true}

// TestManyTopicsAreNotRead: of one byte each, the topics of a large request take thirty times its memory when they are read.
func TestManyTopicsAreNotRead(t *testing.T) {
	b, r := nobody(t)
	frame := produceFrame(9, 1, make([]string, maxProduceParts)...)
	h, err := parseHead(frame, versions())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.permit(r, h, frame); err == nil || !strings.HasPrefix(err.Error(), "malformed: ") {
		t.Errorf("%v", err)
	}
}

func FuzzPermit(f *testing.F) {
	for key := range int16(100) {
		if highest, served := versions().LookupMaxKeyVersion(key); served && highest >= 0 && kmsg.RequestForKey(key) != nil {
			req := kmsg.RequestForKey(key)
			req.SetVersion(highest)
			f.Add(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1))
		}
	}
	f.Add(produceFrame(3, 1, "a"))
	f.Add(produceFrame(3, 0, "a"))
	b, r := nobody(f)
	r.read = []string{"b"}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) < headBytes {
			return
		}
		h, err := parseHead(frame, versions())
		if err != nil || 4+h.length != len(frame) {
			return
		}
		v, err := b.permit(r, h, bytes.Clone(frame))
		if err != nil {
			return
		}
		if v.answer != nil {
			encodeAnswer(v.corr, v.answer)
		}
		if v.amend != nil {
			v.amend(frame) // an answer of nobody's
		}
	})
}
