package broker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	maxFrame      = 32 << 20 // bytes of a produce request
	maxOtherFrame = 1 << 20  // bytes of any other request; a decoded one takes up to 40 times its bytes
	maxFetch      = 48 << 20 // bytes that one fetch may ask for
	minFrame      = 2 + 2 + 4 + 2
	headBytes     = 4 + 2 + 2 // length, API key, API version: what is looked at before the rest is read
	keepFrame     = 4 << 20   // a connection keeps its buffer up to this size
)

// violation is a break of the rules that costs the connection. Reason is one of a closed list, for the counter.
type violation struct {
	Reason string // length, api, version, malformed, slow, memory, connections, connections_address, tls, sasl, rights, user
	Detail string
}

func (v *violation) Error() string { return v.Reason + ": " + v.Detail }

func violate(reason, format string, args ...any) error {
	return &violation{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// versions are the API versions that the engine answers as Kafka's own clients expect. Tip would turn on features at which
// Java's transactions stumble, and the newest versions of three APIs are answered wrongly (null lists, a comparison of case).
func versions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(kmsg.DescribeTopicPartitions.Int16(), -1)
	v.SetMaxKeyVersion(kmsg.CreateTopics.Int16(), 4)
	v.SetMaxKeyVersion(kmsg.ListGroups.Int16(), 4)
	return v
}

// head is the beginning of a request.
type head struct {
	length       int // of what follows the length itself
	key, version int16
}

// parseHead reads a head and refuses what the engine must not see.
func parseHead(b []byte, allowed *kversion.Versions) (head, error) {
	length := binary.BigEndian.Uint32(b)
	h := head{key: int16(binary.BigEndian.Uint16(b[4:])), version: int16(binary.BigEndian.Uint16(b[6:]))}
	highest, ok := allowed.LookupMaxKeyVersion(h.key)
	if !ok || highest < 0 || kmsg.RequestForKey(h.key) == nil {
		return h, violate("api", "API key %d is not served", h.key)
	}
	limit := uint32(maxOtherFrame)
	if h.key == kmsg.Produce.Int16() {
		limit = maxFrame
	}
	if length < minFrame || length > limit {
		return h, violate("length", "a %s request of %d bytes; allowed are %d to %d", kmsg.NameForKey(h.key), length, minFrame, limit)
	}
	h.length = int(length)
	// A newer client asks for the versions in its own newest version of the question; judge answers that.
	if h.version < 0 || (h.version > highest && h.key != kmsg.ApiVersions.Int16()) {
		return h, violate("version", "version %d of %s is not served, the highest is %d", h.version, kmsg.NameForKey(h.key), highest)
	}
	return h, nil
}

// frames reads requests one at a time. A request is complete before it is given out, and memory grows only as its bytes
// really arrive, so that a length alone costs nothing.
type frames struct {
	src      *bufio.Reader
	allowed  *kversion.Versions
	may      func(head) error      // whether it is time for a request; nil = always
	deadline func(d time.Duration) // sets when reading fails
	reserve  func(n int) (ok bool) // asks for n more bytes of buffer; negative gives them back
	idle     time.Duration         // until the first byte
	whole    time.Duration         // until the last byte; a third of it until the head is there
	buf      []byte
}

// next returns the next request with its length in front. It is valid until the call after.
func (f *frames) next() (head, []byte, error) {
	f.trim()
	if f.src.Buffered() == 0 {
		f.deadline(f.idle)
		if _, err := f.src.Peek(1); err != nil {
			return head{}, nil, err
		}
	}
	if f.src.Buffered() < headBytes {
		f.deadline(f.whole / 3)
	}
	b, err := f.src.Peek(headBytes)
	if err != nil {
		return head{}, nil, f.slow(err, "the head of a request")
	}
	h, err := parseHead(b, f.allowed)
	if err == nil && f.may != nil {
		err = f.may(h)
	}
	if err != nil {
		return h, nil, err
	}
	total := 4 + h.length
	if f.src.Buffered() < total {
		f.deadline(f.whole)
	}
	err = f.fill(total)
	return h, f.buf, err
}

// fill reads total bytes, doubling the buffer as it fills.
func (f *frames) fill(total int) error {
	f.buf = f.buf[:0]
	for len(f.buf) < total {
		if len(f.buf) == cap(f.buf) {
			grown := min(total, max(512, 2*cap(f.buf), f.src.Buffered()))
			if !f.reserve(grown - cap(f.buf)) {
				return violate("memory", "requests under way take all the memory that is set aside for them")
			}
			f.buf = append(make([]byte, 0, grown), f.buf...)
		}
		n, err := io.ReadFull(f.src, f.buf[len(f.buf):min(total, cap(f.buf))])
		f.buf = f.buf[:len(f.buf)+n]
		if err != nil {
			return f.slow(err, "a request")
		}
	}
	return nil
}

// trim gives a large buffer back.
func (f *frames) trim() {
	if cap(f.buf) > keepFrame {
		f.release()
	}
}

func (f *frames) release() {
	f.reserve(-cap(f.buf))
	f.buf = nil
}

func (f *frames) slow(err error, what string) error {
	if isTimeout(err) {
		return violate("slow", "%s did not arrive within %v", what, f.whole)
	}
	return err
}

// body splits a request into its header (length, key, version, correlation, client id, tags) and what follows.
func body(h head, frame []byte) (correlation int32, header, rest []byte, err error) {
	r := kbin.Reader{Src: frame[headBytes:]}
	correlation = r.Int32()
	r.NullableString()
	req := kmsg.RequestForKey(h.key)
	req.SetVersion(h.version)
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() {
		return 0, nil, nil, violate("malformed", "the header of a %s request", kmsg.NameForKey(h.key))
	}
	return correlation, frame[:len(frame)-len(r.Src)], r.Src, nil
}

// reframe puts another body behind a header.
func reframe(header []byte, req kmsg.Request) []byte {
	out := req.AppendTo(slices.Clone(header))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// clampFetch lowers, in place, how many bytes a fetch asks for: the engine gathers the whole answer in memory.
func clampFetch(h head, rest []byte) {
	at := 3 * 4 // replica id, longest wait, least bytes
	if h.version >= 15 {
		at -= 4 // no replica id
	}
	if h.version < 3 || len(rest) < at+4 {
		return
	}
	if v := int32(binary.BigEndian.Uint32(rest[at:])); v < 0 || v > maxFetch {
		binary.BigEndian.PutUint32(rest[at:], maxFetch)
	}
}
