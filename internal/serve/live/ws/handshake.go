package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Refusal is why a request becomes no connection, with the status to answer.
type Refusal struct {
	Status int
	Detail string
}

func (r *Refusal) Error() string { return r.Detail }

const version = "13"

// Check tells why a request cannot become a connection, nil when it can. It sets the headers that belong to the refusal.
func Check(w http.ResponseWriter, r *http.Request) *Refusal {
	switch {
	case !named(r.Header, "Connection", "upgrade") || !named(r.Header, "Upgrade", "websocket"):
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		return &Refusal{http.StatusUpgradeRequired, "this is a WebSocket: ask with Connection: Upgrade and Upgrade: websocket; /stream has the same as server-sent events"}
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1):
		return &Refusal{http.StatusBadRequest, "a WebSocket begins with GET and HTTP/1.1"}
	case r.Header.Get("Sec-WebSocket-Version") != version:
		w.Header().Set("Sec-WebSocket-Version", version)
		return &Refusal{http.StatusUpgradeRequired, fmt.Sprintf("Sec-WebSocket-Version: %q; version %s is spoken here", r.Header.Get("Sec-WebSocket-Version"), version)}
	}
	if key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		return &Refusal{http.StatusBadRequest, "Sec-WebSocket-Key must be 16 random bytes in base64"}
	}
	return nil
}

// Upgrade makes a connection of a request that Check let through. It speaks the first of its protocols that the client offers, none
// when it offers none of them.
func Upgrade(w http.ResponseWriter, r *http.Request, protocols ...string) (*Conn, error) {
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept(r.Header.Get("Sec-WebSocket-Key")) + "\r\n"
	for _, p := range protocols {
		if named(r.Header, "Sec-WebSocket-Protocol", p) {
			head += "Sec-WebSocket-Protocol: " + p + "\r\n"
			break
		}
	}
	early := make([]byte, buffered.Reader.Buffered()) // what came behind the request; the large buffers of the server are let go
	_, err = buffered.Read(early)
	if err == nil || len(early) == 0 {
		_ = raw.SetDeadline(time.Time{})
		_ = raw.SetWriteDeadline(time.Now().Add(handshakeTimeout))
		_, err = raw.Write([]byte(head + "\r\n"))
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("answer a handshake: %w", err)
	}
	return newConn(raw, early), nil
}

const handshakeTimeout = 5 * time.Second

// accept is the answer to a key, which proves that the server speaks WebSocket.
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// named tells whether a token is in a list of a header, in any case.
func named(h http.Header, header, token string) bool {
	return slices.ContainsFunc(h.Values(header), func(list string) bool {
		for item := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
		return false
	})
}
