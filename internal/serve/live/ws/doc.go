// Package ws is the server's side of WebSocket, RFC 6455: the handshake, and frames read and written. It knows no extensions, so a
// frame of the server is a few bytes of head before the message, and one made once serves every connection.
//
// In comes an HTTP request; out goes a Conn, from which one goroutine reads whole messages and control frames while another one
// writes frames that were made before.
//
// Promised: a connection at rest holds the buffer of a few hundred bytes that reads heads, and no other memory. What a message claims
// to be long takes no memory before it comes, and none beyond the limit. Texts are valid UTF-8.
//
// On failure: what breaks the protocol is a *CloseError with the code that the peer is to be told; nothing is read after it.
package ws
