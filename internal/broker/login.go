package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	maxLoginFrame = 64 << 10               // bytes of a request before the login
	wrongPause    = 100 * time.Millisecond // before a wrong login is answered
	firstPause    = 20 * time.Millisecond  // from the first message of SCRAM to its answer: longer than it takes to salt the password of a user
)

// login is that of one connection: until it is done, the client may ask for nothing. The engine hears nothing of it.
type login struct {
	users *users
	plain bool      // the password may be sent as it is
	until time.Time // when it must be done, so that strangers keep no places from those who may come

	mechanism string // chosen by the handshake
	exchange  *exchange
	done      bool
	credential
}

// credential is what somebody logs in with, and what he may do.
type credential struct {
	user, password string
	rights         *rights
	unread         bool // the password cannot be read now
}

// same tells whether one who logged in is still as he was; nil is nobody. What cannot be read now may be so again in a moment.
func (c *credential) same(now *credential) bool {
	return now != nil && (now.unread || c.password == now.password) && reflect.DeepEqual(c.rights, now.rights)
}

// mechanisms are those that a client may choose from.
func (l *login) mechanisms() []string {
	if l.plain {
		return []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	}
	return []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}
}

// may refuses, by its head, a request for which it is too early, or too late.
func (l *login) may(h head, now time.Time) error {
	if !l.done && now.After(l.until) {
		return violate("slow", "no login within frame_timeout")
	}
	switch kmsg.Key(h.key) {
	case kmsg.ApiVersions, kmsg.SASLHandshake, kmsg.SASLAuthenticate:
		if h.length > maxLoginFrame && !l.done {
			return violate("sasl", "a %s request of %d bytes before the login", kmsg.NameForKey(h.key), h.length)
		}
		return nil
	}
	if !l.done {
		return violate("sasl", "a %s request before the login; set security.protocol and sasl.mechanism of the client", kmsg.NameForKey(h.key))
	}
	return nil
}

// judge answers what belongs to the login; what does not is not answered.
func (l *login) judge(h head, frame []byte) (v verdict, err error) {
	key := kmsg.Key(h.key)
	if key != kmsg.SASLHandshake && key != kmsg.SASLAuthenticate {
		return v, nil
	}
	corr, _, rest, err := body(h, frame)
	if err != nil {
		return v, err
	}
	v.corr = corr
	req := kmsg.RequestForKey(h.key)
	req.SetVersion(h.version)
	if err := req.ReadFrom(rest); err != nil {
		return v, violate("malformed", "a %s request: %v", kmsg.NameForKey(h.key), err)
	}
	switch req := req.(type) {
	case *kmsg.SASLHandshakeRequest:
		v.answer, v.last = l.handshake(req)
	case *kmsg.SASLAuthenticateRequest:
		if l.exchange == nil { // the password of who was here before is salted already, and a name that is nobody's needs no salt
			v.after = time.Now().Add(firstPause)
		}
		v.answer, v.last = l.authenticate(req)
	}
	return v, nil
}

// handshake chooses the mechanism.
func (l *login) handshake(req *kmsg.SASLHandshakeRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	resp.SupportedMechanisms = l.mechanisms()
	switch {
	case req.Version == 0: // what follows would not be in frames
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp, violate("sasl", "a handshake of a client that is older than Kafka 1.0")
	case l.done || l.mechanism != "":
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp, violate("sasl", "a second handshake")
	}
	for _, m := range l.mechanisms() {
		if m == req.Mechanism {
			l.mechanism = m
			return resp, nil
		}
	}
	resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	return resp, violate("sasl", "the mechanism %q is not offered", clip(req.Mechanism))
}

// authenticate takes one message of the mechanism.
func (l *login) authenticate(req *kmsg.SASLAuthenticateRequest) (kmsg.Response, error) {
	resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	if l.mechanism == "" || l.done {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return resp, violate("sasl", "a login without a handshake")
	}
	said, err := l.say(string(req.SASLAuthBytes))
	if err != nil {
		text := "not logged in: " + err.Error()
		resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &text
		return resp, violate("sasl", "%s of user %q: %v", l.mechanism, clip(l.user), err)
	}
	resp.SASLAuthBytes = []byte(said)
	return resp, nil
}

// say goes one step on with the mechanism.
func (l *login) say(message string) (answer string, err error) {
	if l.mechanism == "PLAIN" {
		return "", l.sayPlain(message)
	}
	if l.exchange == nil {
		l.exchange = &exchange{m: scrams[l.mechanism]}
		answer, err = l.exchange.first(message, l.verifierOf)
		l.user = l.exchange.user
		return answer, err
	}
	answer, err = l.exchange.last(message)
	l.done = err == nil
	return answer, err
}

func (l *login) verifierOf(user string) *verifier {
	if c := l.users.credential(user); c != nil && !c.unread {
		l.credential = *c
		return l.users.verifier(l.exchange.m, user, c.password)
	}
	return strangerVerifier(l.exchange.m, user)
}

// sayPlain takes the one message of PLAIN: authzid NUL user NUL password.
func (l *login) sayPlain(message string) error {
	parts := strings.Split(message, "\x00")
	if len(parts) != 3 {
		return errPlain
	}
	l.user = parts[1]
	if parts[0] != "" && parts[0] != l.user {
		return errPlain
	}
	c := l.users.credential(l.user)
	known := c != nil && !c.unread
	if !known {
		c = &credential{}
	}
	want, got := sha256.Sum256([]byte(c.password)), sha256.Sum256([]byte(parts[2])) // so that lengths do not show in the time that it takes
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 || !known {
		return errProof
	}
	l.credential, l.done = *c, true
	return nil
}

var errPlain = errors.New("the client does not speak PLAIN as RFC 4616 has it")
