package event

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// The limits of a dead letter, so that its record always fits Kafka's default of 1 MiB a message.
const (
	maxDeadPayload = 900 << 10 // bytes of payload that are kept whole
	cutDeadPayload = 64 << 10  // bytes that are kept of a larger one
	maxDeadHeaders = 64 << 10  // bytes of original headers, names and values
	maxDeadReason  = 4 << 10   // bytes of reason, and of pointer
)

// DeadLetter is an input that is not an event, kept whole with the reason.
type DeadLetter struct {
	ID             string      // OffsetID of a record of a topic; of an input at the way in a random 128-bit hex
	Topic          string      // where it was read, or would have gone
	Partition      int32       // -1 when it was refused at the way in
	Offset         int64       // -1 when it was refused at the way in
	ReceivedAt     int64       // microseconds since the epoch
	Code           string      // one of Codes
	Pointer        string      // JSON pointer to the faulty part
	Reason         string      // a sentence
	Redrives       int         // how often the record that it was made from had been sent again
	Headers        [][2]string // of the original, in order
	HeadersDropped int         // how many were left out because they were too large
	Payload        []byte      // original bytes, or their beginning when SHA256 is set
	PayloadSize    int64       // bytes of the whole payload
	SHA256         string      // hex, of the whole payload; set when Payload was cut
}

// Header is a header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// Names of the headers that carry a dead letter; those of the original follow under originalHeader + name.
const (
	headerID, headerTopic, headerPartition, headerOffset = "id", "topic", "partition", "offset"
	headerCode, headerPointer, headerReason              = "reason_code", "pointer", "reason"
	headerReceived, headerSize, headerSHA256             = "received_at", "size", "sha256"
	headerDropped, originalHeader                        = "headers_dropped", "h."
)

// Record returns what is written to the topic of the dead letters: the id as key, the payload as value (only its first
// 64 KiB when it is over 900 KiB), everything else as headers. It does not change d; the value may alias d.Payload.
func (d *DeadLetter) Record() (key, value []byte, headers []Header) {
	value = d.Payload
	size, sum := d.PayloadSize, d.SHA256
	if sum == "" {
		size = int64(len(value))
		if len(value) > maxDeadPayload {
			h := sha256.Sum256(value)
			sum, value = hex.EncodeToString(h[:]), value[:cutDeadPayload:cutDeadPayload]
		}
	}
	add := func(name, v string) { headers = append(headers, Header{name, []byte(v)}) }
	add(headerID, d.ID)
	add(headerTopic, d.Topic)
	add(headerPartition, strconv.FormatInt(int64(d.Partition), 10))
	add(headerOffset, strconv.FormatInt(d.Offset, 10))
	add(headerCode, d.Code)
	add(headerPointer, shorten(d.Pointer, maxDeadReason))
	add(headerReason, shorten(d.Reason, maxDeadReason))
	add(headerReceived, FormatTime(d.ReceivedAt))
	add(headerSize, strconv.FormatInt(size, 10))
	if sum != "" {
		add(headerSHA256, sum)
	}
	dropped, room := d.HeadersDropped, maxDeadHeaders
	for i, h := range d.Headers {
		if room -= len(h[0]) + len(h[1]) + 16; room < 0 {
			dropped += len(d.Headers) - i
			break
		}
		add(originalHeader+h[0], h[1])
	}
	if dropped > 0 {
		add(headerDropped, strconv.Itoa(dropped))
	}
	return []byte(d.ID), value, headers
}

// ParseDeadLetter reads back what Record wrote; Payload aliases value. An error says which header is missing or wrong.
func ParseDeadLetter(key, value []byte, headers []Header) (*DeadLetter, error) {
	d := &DeadLetter{Payload: value, Partition: -1, Offset: -1}
	seen := map[string]bool{}
	for _, h := range headers {
		if name, original := strings.CutPrefix(h.Key, originalHeader); original {
			d.Headers = append(d.Headers, [2]string{name, string(h.Value)})
			if name == HeaderRedrives {
				d.Redrives = redrives(h.Value)
			}
			continue
		}
		if seen[h.Key] {
			return nil, fmt.Errorf("dead letter: header %q is given twice", shorten(h.Key, 60))
		}
		seen[h.Key] = true
		if err := d.header(h.Key, string(h.Value)); err != nil {
			return nil, fmt.Errorf("dead letter: header %q: %w", h.Key, err)
		}
	}
	for _, name := range []string{headerID, headerTopic, headerPartition, headerOffset, headerCode, headerReceived, headerSize} {
		if !seen[name] {
			return nil, fmt.Errorf("dead letter: header %q is missing; the record was not written by hxp", name)
		}
	}
	switch {
	case string(key) != d.ID:
		return nil, fmt.Errorf("dead letter: key %s and header id %s differ", quote(string(key)), quote(d.ID))
	case d.SHA256 == "" && d.PayloadSize != int64(len(value)):
		return nil, fmt.Errorf("dead letter: value has %d bytes but header size says %d", len(value), d.PayloadSize)
	case d.SHA256 != "" && d.PayloadSize <= int64(len(value)):
		return nil, fmt.Errorf("dead letter: value has %d bytes, no fewer than the %d of the payload it was cut from", len(value), d.PayloadSize)
	}
	return d, nil
}

// header reads one header of ours; unknown ones are passed over, so that later versions can add some.
func (d *DeadLetter) header(name, s string) (err error) {
	var n int64
	switch name {
	case headerID:
		d.ID = s
	case headerTopic:
		d.Topic = s
	case headerPartition:
		n, err = strconv.ParseInt(s, 10, 32)
		d.Partition = int32(n)
	case headerOffset:
		d.Offset, err = strconv.ParseInt(s, 10, 64)
	case headerCode:
		d.Code = s
	case headerPointer:
		d.Pointer = s
	case headerReason:
		d.Reason = s
	case headerReceived:
		d.ReceivedAt, err = ParseTime(s)
	case headerSize:
		d.PayloadSize, err = strconv.ParseInt(s, 10, 64)
	case headerSHA256:
		if b, bad := hex.DecodeString(s); bad != nil || len(b) != sha256.Size {
			err = fmt.Errorf("%s is not a SHA-256 in hex", quote(s))
		}
		d.SHA256 = s
	case headerDropped:
		d.HeadersDropped, err = strconv.Atoi(s)
	}
	return err
}
