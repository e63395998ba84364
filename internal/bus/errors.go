package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrOutOfRange   = errors.New("offset is not in the log")
	ErrTooLarge     = errors.New("message is larger than the topic allows")
	ErrUnknownTopic = errors.New("no such topic or partition")
	ErrClosed       = errors.New("bus is closed")
	ErrTopicExists  = errors.New("the topic exists already")
	ErrUnknownGroup = errors.New("no such consumer group")
	ErrGroupBusy    = errors.New("the consumer group has active members")
	ErrAway         = errors.New("the brokers do not answer")
)

// The broker's words that the reader listens for.
var (
	errOffsetOutOfRange error = kerr.OffsetOutOfRange
	errUnknownID        error = kerr.UnknownTopicID
)

// OutOfRangeError says that a reader stands at an offset that the log does not hold. The log holds [Start, End).
// Offset < Start means that [Offset, Start) was deleted before it was read; Offset > End means that the log was cut or
// made anew. Nothing more of this partition is delivered until Seek. errors.Is(err, ErrOutOfRange) holds.
type OutOfRangeError struct {
	Topic              string
	Partition          int32
	Offset, Start, End int64
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("%s/%d: offset %d is not in the log, which holds [%d, %d)", e.Topic, e.Partition, e.Offset, e.Start, e.End)
}

// Is makes errors.Is(err, ErrOutOfRange) true.
func (e *OutOfRangeError) Is(target error) bool { return target == ErrOutOfRange }

// SendError says which messages of one Send were not acknowledged. Unwrap gives the first cause.
type SendError struct {
	Errs  []error // one for each message, nil where it was acknowledged
	First int     // index of the first message that was not
}

func (e *SendError) Error() string {
	failed := 0
	for _, err := range e.Errs {
		if err != nil {
			failed++
		}
	}
	return fmt.Sprintf("%d of %d messages not acknowledged, the first: %v", failed, len(e.Errs), e.Errs[e.First])
}

func (e *SendError) Unwrap() error { return e.Errs[e.First] }

// RefusedError says that the brokers will not do what was asked for, and why. Asking again does not help.
type RefusedError struct {
	Detail string
	cause  error
}

func (e *RefusedError) Error() string { return e.Detail }

func (e *RefusedError) Unwrap() error { return e.cause }

// refusals are the codes by which brokers say no to a change.
var refusals = []*kerr.Error{
	kerr.InvalidTopicException, kerr.InvalidPartitions, kerr.InvalidReplicationFactor, kerr.InvalidReplicaAssignment, kerr.InvalidConfig,
	kerr.InvalidRequest, kerr.PolicyViolation, kerr.TopicDeletionDisabled,
}

// refused turns a broker's no into a RefusedError with the broker's own words, where it has some.
func refused(err error, message string) error {
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("%w: %w", ErrTopicExists, err)
	}
	if no := barred(err); no != nil {
		return &RefusedError{Detail: no.Error(), cause: no}
	}
	for _, no := range refusals {
		if errors.Is(err, no) {
			if message == "" {
				message = no.Description
			}
			return &RefusedError{Detail: message, cause: err}
		}
	}
	return classify(err)
}

// Retryable tells whether the same call may succeed later without any change to what was asked: the broker is away,
// starting, overloaded or full, or the time ran out. It is false for nil, for a closed bus and for a cancelled context.
func Retryable(err error) bool {
	switch {
	case err == nil, errors.Is(err, ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, ErrTooLarge):
		return false
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrAway), kerr.IsRetriable(err):
		return true
	case errors.Is(err, kerr.UnknownServerError): // the embedded broker says so when its disk did not take a batch
		return true
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, kgo.ErrRecordRetries), errors.Is(err, kgo.ErrMaxBuffered), errors.Is(err, kgo.ErrAborting):
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	}
	if _, ok := errors.AsType[*kgo.ErrFirstReadEOF](err); ok {
		return true
	}
	if ne, ok := errors.AsType[net.Error](err); ok {
		return ne.Timeout() || isDial(err)
	}
	return false
}

// isDial is true for an error from reaching for a broker, e.g. a host name that does not resolve yet.
func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// classify turns the library's errors into ours where callers tell them apart; the original stays in the chain.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID):
		return fmt.Errorf("%w: %w", ErrUnknownTopic, err)
	}
	if no := barred(err); no != nil {
		return no
	}
	return err
}
