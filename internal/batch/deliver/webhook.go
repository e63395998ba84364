package deliver

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// Hooks posts documents to addresses. Only networks that are public, or allowed by name, are reached; redirects are refused and no proxy is asked.
type Hooks struct{ client *http.Client }

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
	d := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error { return reachable(address, allow) }}
	return &Hooks{&http.Client{
		Timeout:       hookLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
	}}
}

var errPrivate = errors.New("the address is in a private network that HXP_WEBHOOK_ALLOW does not name")

// reachable refuses addresses of this machine and of networks that are not public.
func reachable(address string, allow []netip.Prefix) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	ip := at.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || shared.Contains(ip) {
		return fmt.Errorf("%s: %w", ip, errPrivate)
	}
	return nil
}

// shared is the address space between carriers and their customers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

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
	wrote := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) { wrote = i.Err == nil }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(d.Body))
	if err != nil {
		return never("%w", err)
	}
	sum := sha256.Sum256([]byte(d.Key))
	req.Header.Set("Content-Type", d.Type)
	req.Header.Set("Idempotency-Key", hex.EncodeToString(sum[:16]))
	req.Header.Set("X-Hxp-Report", d.Report)
	req.Header.Set("X-Hxp-Sha256", d.SHA256)
	if secret != "" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(d.Body)
		req.Header.Set("X-Hxp-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return &Failure{Err: err, Uncertain: wrote}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	switch c := resp.StatusCode; {
	case c >= 200 && c < 300:
		return nil
	case c == 400, c == 410, c == 413, c == 415, c == 422:
		return never("%s", resp.Status)
	}
	return later("%s", resp.Status)
}
