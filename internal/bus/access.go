package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrAccess is the kind of every error that time does not mend: the listener speaks something else, does not believe the
// user or the certificate, or does not let the user do it. The text says what to mend.
var ErrAccess = errors.New("no access to the brokers")

// AccessError says what keeps hxp from the brokers. errors.Is(err, ErrAccess) holds.
type AccessError struct {
	says  string
	cause error
}

func access(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &AccessError{says: err.Error(), cause: errors.Unwrap(err)}
}

func (e *AccessError) Error() string { return e.says }

func (e *AccessError) Unwrap() error { return e.cause }

// Is makes errors.Is(err, ErrAccess) true.
func (e *AccessError) Is(target error) bool { return target == ErrAccess }

// barred gives an error its meaning when the brokers bar the way, and nil when it is another one.
func barred(err error) error {
	if already, ok := errors.AsType[*AccessError](err); ok {
		return already
	}
	says := ""
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.IllegalSaslState):
		says = "the brokers do not accept the user with this password; check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM, and that the user exists for this mechanism"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		says = "the brokers do not offer the mechanism of KAFKA_SASL_MECHANISM"
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		says = "the brokers do not allow it to this user; give the rights with kafka-acls, they are listed in docs/runbooks/kafka.md"
	default:
		says = distrust(err)
	}
	if says == "" {
		return nil
	}
	return &AccessError{says: says + ": " + err.Error(), cause: err}
}

// distrust tells what a failed TLS handshake means, "" when it is no such thing.
func distrust(err error) string {
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("the broker's certificate is not for %q; reach it by a name of its certificate, or say KAFKA_SSL_SERVER_NAME", e.Host)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the broker's certificate is signed by nobody known here; name the PEM file of its authority in KAFKA_SSL_CA_FILE"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return "the broker's certificate is not valid at this time; renew it, or set the clock right"
		}
		return "the broker's certificate cannot be used"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the broker's certificate cannot be trusted"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the listener does not speak TLS; use its TLS port, or KAFKA_SECURITY_PROTOCOL without SSL"
	}
	if wantsCertificate(err) {
		return "the broker wants a certificate that it trusts; name one in KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE"
	}
	return ""
}

// wantsCertificate tells whether the other side ended a TLS handshake because of our certificate, or for want of one. The
// alerts of TLS have no type of their own in the standard library.
func wantsCertificate(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && (strings.Contains(op.Err.Error(), "certificate") || strings.Contains(op.Err.Error(), "handshake failure"))
}
