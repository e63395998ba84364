package bus

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// listener is what one listener of a broker speaks, as far as it can be found out from outside.
type listener struct {
	tls        bool
	asks       bool // for a certificate, with tls, and did not like ours
	sasl       bool
	mechanisms []string // offered, with sasl
}

// protocol is the listener in the words of security_protocol.
func (l listener) protocol() string {
	return map[[2]bool]string{{false, false}: "PLAINTEXT", {true, false}: "SSL", {false, true}: "SASL_PLAINTEXT", {true, true}: "SASL_SSL"}[[2]bool{l.tls, l.sasl}]
}

// mismatch says what the settings must be for this listener; nil when they fit as far as can be seen.
func (l listener) mismatch(addr string, s Security) error {
	set := "KAFKA_SECURITY_PROTOCOL=" + l.protocol()
	if l.sasl && !s.SASL() {
		set += " KAFKA_SASL_MECHANISM=" + strings.Join(l.mechanisms, "|") + " KAFKA_SASL_USERNAME=… KAFKA_SASL_PASSWORD=…"
	}
	if l.asks {
		set += " KAFKA_SSL_CERT_FILE=… KAFKA_SSL_KEY_FILE=…"
	}
	switch {
	case l.tls != s.TLS() || l.sasl != s.SASL():
		return access("the Kafka listener at %s speaks %s, and security_protocol is %s; set %s", addr, l.protocol(), s.Protocol, set)
	case l.sasl && !contains(l.mechanisms, s.Mechanism):
		return access("the Kafka listener at %s offers %s, and not %s; set KAFKA_SASL_MECHANISM", addr, strings.Join(l.mechanisms, ", "), s.Mechanism)
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// errHTTP says that somebody else answers: a mistaken port.
var errHTTP = errors.New("the listener speaks HTTP")

// errSilent says that a listener told nothing that could be used.
var errSilent = errors.New("the listener tells nothing of itself")

// knockTimeout bounds one look at a listener: four short connections.
const knockTimeout = 2 * time.Second

// knock finds out what a listener speaks. It proves nothing and sends no secret: brokers close a connection on which
// something unexpected is said without a word, so this is the only way to tell what they expected. Only what a listener
// has answered counts; errSilent when it did not.
func knock(ctx context.Context, addr string, k *keys) (l listener, err error) {
	ctx, cancel := context.WithTimeout(ctx, knockTimeout)
	defer cancel()
	open := func() (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", addr) }
	if _, err = answer(ctx, open, apiVersions()); errors.Is(err, errHTTP) {
		return l, access("an HTTP server answers at %s, and no Kafka broker; set KAFKA_BOOTSTRAP_SERVERS to the port of the broker", addr)
	}
	if err != nil {
		l.tls = true
		// Who is there does not matter here, since nothing is told to it.
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, Certificates: k.certificates()}}
		open = func() (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
		if _, err = answer(ctx, open, apiVersions()); err != nil {
			if l.asks = wantsCertificate(err); l.asks {
				return l, nil
			}
			return l, errSilent
		}
	}
	l.mechanisms, err = offered(ctx, open)
	l.sasl = len(l.mechanisms) > 0
	return l, err
}

// offered are the mechanisms of a listener; none when it answers without a user.
func offered(ctx context.Context, open func() (net.Conn, error)) ([]string, error) {
	if _, err := answer(ctx, open, noTopics()); err == nil {
		return nil, nil
	}
	resp, err := answer(ctx, open, strangeMechanism())
	if shake, ok := resp.(*kmsg.SASLHandshakeResponse); err == nil && ok && shake.ErrorCode == kerr.UnsupportedSaslMechanism.Code {
		return shake.SupportedMechanisms, nil
	}
	return nil, errSilent
}

func apiVersions() kmsg.Request { return kmsg.NewPtrApiVersionsRequest() }

func noTopics() kmsg.Request {
	r := kmsg.NewPtrMetadataRequest()
	r.Version, r.Topics = 4, []kmsg.MetadataRequestTopic{}
	return r
}

// strangeMechanism asks for what no broker has: the answer lists what it has.
func strangeMechanism() kmsg.Request {
	r := kmsg.NewPtrSASLHandshakeRequest()
	r.Version, r.Mechanism = 1, "NONE"
	return r
}

// answer sends one request on a connection of its own and reads what comes back.
func answer(ctx context.Context, open func() (net.Conn, error), req kmsg.Request) (kmsg.Response, error) {
	conn, err := open()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	const id = 7
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("hxp")).AppendRequest(nil, req, id)); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	if string(head[:4]) == "HTTP" {
		return nil, errHTTP
	}
	if size < 4 || size > 1<<20 || binary.BigEndian.Uint32(head[4:]) != id {
		return nil, fmt.Errorf("%x is no answer of a Kafka broker", head)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	return resp, resp.ReadFrom(body)
}
