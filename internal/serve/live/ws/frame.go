package ws

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Opcode is the kind of a frame.
type Opcode byte

// The opcodes of RFC 6455; all others are reserved.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

func (o Opcode) control() bool { return o >= Close }

func (o Opcode) known() bool { return o <= Binary || o >= Close && o <= Pong }

// Code says why a connection ends.
type Code uint16

// The codes that are used here.
const (
	Normal      Code = 1000
	GoingAway   Code = 1001
	BadProtocol Code = 1002
	Unsupported Code = 1003 // a kind of message
	noStatus    Code = 1005 // a close frame without a code; never sent
	BadData     Code = 1007
	Policy      Code = 1008
	TooBig      Code = 1009
	TryLater    Code = 1013
)

// sendable tells whether a peer may send a code.
func (c Code) sendable() bool {
	return c >= 1000 && c <= 1014 && c != 1004 && c != noStatus && c != 1006 || c >= 3000 && c <= 4999
}

// CloseError is the end of a connection: what the peer said, or what it is to be told.
type CloseError struct {
	Code   Code
	Reason string
	// Peer is true when the peer ended it. The answer is then a frame with the same code.
	Peer bool
}

func (e *CloseError) Error() string { return fmt.Sprintf("closed with %d: %s", e.Code, e.Reason) }

// Frame is the close frame to send.
func (e *CloseError) Frame() []byte {
	if e.Code == noStatus {
		return AppendFrame(nil, Close, nil)
	}
	reason := e.Reason
	for len(reason) > maxControl-2 || !utf8.ValidString(reason) {
		reason = reason[:len(reason)-1]
	}
	return AppendFrame(nil, Close, append(binary.BigEndian.AppendUint16(nil, uint16(e.Code)), reason...))
}

// broken is a breach of the protocol.
func broken(format string, args ...any) error {
	return &CloseError{Code: BadProtocol, Reason: fmt.Sprintf(format, args...)}
}

const maxControl = 125 // bytes of a control frame's payload

// AppendFrame appends a whole message as one frame of the server.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	return append(AppendHead(dst, op, len(payload)), payload...)
}

// AppendHead appends what stands before n bytes of payload.
func AppendHead(dst []byte, op Opcode, n int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case n <= maxControl:
		return append(dst, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
}

// closing reads the payload of a close frame.
func closing(payload []byte) *CloseError {
	switch {
	case len(payload) == 0:
		return &CloseError{Code: noStatus, Peer: true}
	case len(payload) == 1:
		return &CloseError{Code: BadProtocol, Reason: "a close frame of one byte"}
	}
	code, reason := Code(binary.BigEndian.Uint16(payload)), payload[2:]
	switch {
	case !code.sendable():
		return &CloseError{Code: BadProtocol, Reason: fmt.Sprintf("close code %d may not be sent", code)}
	case !utf8.Valid(reason):
		return &CloseError{Code: BadData, Reason: "the reason is not UTF-8"}
	}
	return &CloseError{Code: code, Reason: string(reason), Peer: true}
}

// mask undoes the masking of payload; at is how much of the frame came before it.
func mask(payload []byte, key [4]byte, at int) {
	var wide [8]byte
	for i := range wide {
		wide[i] = key[(at+i)&3]
	}
	w := binary.LittleEndian.Uint64(wide[:])
	for ; len(payload) >= 8; payload = payload[8:] {
		binary.LittleEndian.PutUint64(payload, binary.LittleEndian.Uint64(payload)^w)
	}
	for i := range payload {
		payload[i] ^= wide[i]
	}
}
