package deliver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Hooks posts documents to addresses. Only networks that are public, or allowed by name, are reached; redirects are refused and no proxy is asked.
type Hooks struct {
	client *http.Client
	guard  func(network, address string, c syscall.RawConn) error
}

// Document is what goes to a webhook or into a folder.
type Document struct {
	Key    string // of what is sent to whom: sent as Idempotency-Key
	Report string // id
	File   string // below a folder, with slashes
	Type   string
	SHA256 string
	Body   []byte
}

const hookLimit = 30 * time.Second

// NewHooks makes the way out; allow are the private networks that may be reached.
func NewHooks(allow []netip.Prefix) *Hooks {
	guard := func(_, address string, _ syscall.RawConn) error { return reachable(address, allow, ownAddresses) }
	d := &net.Dialer{Timeout: 10 * time.Second, Control: guard}
	return &Hooks{guard: guard, client: &http.Client{
		Timeout:       hookLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
	}}
}

// Guard refuses connections to where Hooks do not go; it is the Control of a net.Dialer.
func (h *Hooks) Guard(network, address string, c syscall.RawConn) error {
	return h.guard(network, address, c)
}

// CheckHook tells why a text is no address of a webhook.
func CheckHook(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("write an address that begins with http:// or https://")
	case u.User != nil || u.Fragment != "":
		return errors.New("write the address without a user and a fragment; secrets belong into webhook_secret")
	}
	return nil
}

// Post sends a document; with a secret it is signed. An answer of 2xx means that it arrived.
func (h *Hooks) Post(ctx context.Context, address, secret string, d *Document) error {
	sum := sha256.Sum256([]byte(d.Key))
	head := http.Header{"Content-Type": {d.Type}, "Idempotency-Key": {hex.EncodeToString(sum[:16])}, "X-Hxp-Report": {d.Report}, "X-Hxp-Sha256": {d.SHA256}}
	if secret != "" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(d.Body)
		head.Set("X-Hxp-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	a, err := h.Send(ctx, address, head, d.Body)
	if err != nil {
		return err
	}
	switch c := a.Status; {
	case c >= 200 && c < 300:
		return nil
	case c == 400, c == 410, c == 413, c == 415, c == 422:
		return never("%s", a.Text)
	}
	return later("%s", a.Text)
}

// Answer is what an address said to a post.
type Answer struct {
	Status int
	Text   string // of the status line, such as 503 Service Unavailable
	Header http.Header
	Body   []byte // its beginning
}

// maxSaid is how much of an answer is looked at.
const maxSaid = 64 << 10

// Send posts a body. The error is a *Failure, for when nothing was answered; it does not hold the address, which may be a secret.
func (h *Hooks) Send(ctx context.Context, address string, head http.Header, body []byte) (*Answer, error) {
	wrote := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) { wrote = i.Err == nil }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, &Failure{Err: errors.New("the address cannot be read"), Final: true}
	}
	req.Header = head
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, &Failure{Err: Plain(err), Uncertain: wrote}
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxSaid)) // its status counts
	return &Answer{Status: resp.StatusCode, Text: resp.Status, Header: resp.Header, Body: said}, nil
}

// Reach tells whether an address may be connected to, and can be. Nothing is said to it.
func (h *Hooks) Reach(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the address cannot be read")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	d := net.Dialer{Timeout: 10 * time.Second, Control: h.guard}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// Plain takes the address out of an error of a client: it may be a secret.
func Plain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
