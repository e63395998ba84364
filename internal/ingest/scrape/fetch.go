package scrape

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/kit/secret"
)

// Reasons of a failed reading; a closed set, for metrics.
const (
	reasonConnect  = "connect"
	reasonTimeout  = "timeout"
	reasonStatus   = "status"
	reasonRedirect = "redirect"
	reasonLarge    = "too_large"
	reasonSeries   = "too_many_series"
	reasonSyntax   = "syntax"
	reasonToken    = "token"
	reasonWrite    = "write"
)

var reasons = []string{reasonConnect, reasonTimeout, reasonStatus, reasonRedirect, reasonLarge, reasonSeries, reasonSyntax, reasonToken, reasonWrite}

// failure is why a reading failed.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

var (
	errRedirect = errors.New("redirected to another host, which is not followed; name that address in url")
	errLarge    = errors.New("larger than max_body_bytes")
)

// newTransport is what readings go through: no proxy, because targets are neighbours, and few idle connections.
func newTransport() http.RoundTripper {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 1, MaxIdleConns: 100, IdleConnTimeout: 5 * time.Minute, TLSHandshakeTimeout: 5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
}

func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme && r.URL.Scheme != "https" || len(via) > 3 {
			return errRedirect
		}
		return nil
	}}
}

// fetch opens a reading. The caller closes it.
func fetch(ctx context.Context, c *http.Client, t *Target, agent string, limit int64) (body io.ReadCloser, contentType string, err error) {
	u, err := address(t.URL)
	if err != nil {
		return nil, "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Accept", "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.8, */*;q=0.1")
	r.Header.Set("User-Agent", agent)
	if where := cmp.Or(t.Token, t.TokenFile); where != "" { // a bare path is a file
		token, err := secret.Read(where)
		if err != nil {
			return nil, "", &failure{reasonToken, fmt.Errorf("token: %w", err)}
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	}
	resp, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, "", &failure{reasonStatus, fmt.Errorf("it answers %s", resp.Status)}
	}
	return &limited{resp.Body, limit}, resp.Header.Get("Content-Type"), nil
}

// limited fails instead of ending when more than left bytes come.
type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errLarge
	}
	return n, err
}

// reasonOf sorts the errors of a reading.
func reasonOf(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.reason
	}
	_, syntax := errors.AsType[*prom.SyntaxError](err)
	timeout, waits := errors.AsType[net.Error](err)
	switch {
	case syntax:
		return reasonSyntax
	case errors.Is(err, prom.ErrSeries):
		return reasonSeries
	case errors.Is(err, errLarge):
		return reasonLarge
	case errors.Is(err, errRedirect):
		return reasonRedirect
	case errors.Is(err, context.DeadlineExceeded), waits && timeout.Timeout():
		return reasonTimeout
	}
	return reasonConnect
}

// plain takes the address out of an error of the client: it is shown beside it, and may hold a password.
func plain(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return err.Error()
}
