package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/secret"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// caller speaks HTTP with one target.
type caller struct {
	base      string
	client    *http.Client
	headers   map[string]string
	token     string
	endpoints map[string]string // health by name
}

const maxAnswer = 1 << 20

func newCaller(c Config) (*caller, error) {
	out := &caller{base: strings.TrimSuffix(c.URL, "/"), headers: c.Headers, token: c.Token, endpoints: c.Endpoints}
	out.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // without a proxy: what is configured is what is asked
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
	if c.TokenEnv != "" {
		v, err := secret.Read("env:" + c.TokenEnv)
		if err != nil {
			return nil, fmt.Errorf("token_env: %w", err)
		}
		out.token = v
	}
	return out, nil
}

// statusError is an answer that says no.
type statusError struct {
	call   string
	status int
	body   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answers %d %s: %s", e.call, e.status, http.StatusText(e.status), e.body)
}

// said tells whether err is an answer with this status.
func said(err error, status ...int) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && slices.Contains(status, e.status)
}

// call sends body (nil = none) and reads the answer into to (nil = it is not looked at). Anything but 2xx is an error.
func (c *caller) call(ctx context.Context, method, path, key string, body, to any) error {
	var send []byte
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = text
	}
	answer, err := c.send(ctx, method, path, key, send, c.bearer())
	if err != nil || to == nil {
		return err
	}
	if err := json.Unmarshal(answer, to); err != nil {
		return fmt.Errorf("%s %s answers with something else than expected: %w", method, path, err)
	}
	return nil
}

func (c *caller) bearer() map[string]string {
	if c.token == "" {
		return nil
	}
	return map[string]string{"Authorization": "Bearer " + c.token}
}

func (c *caller) send(ctx context.Context, method, path, key string, body []byte, more map[string]string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, headers := range []map[string]string{c.headers, more} {
		for name, v := range headers {
			req.Header.Set(name, v)
		}
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	req.Header.Set("User-Agent", "hxp")
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	call := method + " " + req.URL.Path
	switch {
	case resp.StatusCode/100 == 3:
		return nil, &statusError{call, resp.StatusCode, "redirects are not followed; configure the address where it ends"}
	case resp.StatusCode/100 != 2:
		return nil, &statusError{call, resp.StatusCode, clip(strings.ToValidUTF8(string(answer), "?"))}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", call, err)
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("%s answers with more than %d bytes", call, maxAnswer)
	}
	return answer, nil
}

func clip(s string) string { return words.Clip(s, 200) }

// The bounds of looking at health.
const (
	probeLimit = 3 * time.Second
	probes     = 16 // at once
)

// health asks endpoints for their health. One that has no address for it is as healthy as the target says.
func (c *caller) health(ctx context.Context, group []respond.Endpoint) {
	ctx, stop := context.WithTimeout(ctx, probeLimit)
	defer stop()
	gate := make(chan struct{}, probes)
	var wg sync.WaitGroup
	for i := range group {
		e := &group[i]
		url := c.endpoints[e.Name]
		if url == "" || !e.Healthy {
			continue
		}
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			e.Healthy = c.well(ctx, url)
		})
	}
	wg.Wait()
}

// well tells whether a health address answers 2xx. It gets no secrets: it may be another host.
func (c *caller) well(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return err == nil && resp.StatusCode/100 == 2
}

// canTake refuses to take an endpoint out of its group where it would not be put back, because nobody remembers then that it is out,
// and where nobody can tell what works.
func (c *caller) canTake(o *respond.Order, back bool, by string) error {
	if err := needs(o, "endpoint"); err != nil {
		return err
	}
	switch e := clip(o.With["endpoint"]); {
	case !back:
		return fmt.Errorf("%s may take endpoint %q out of its group, and the target cannot put it back; configure %s", o.Action, e, by)
	case c.endpoints[o.With["endpoint"]] == "":
		return fmt.Errorf("%s may take endpoint %q out of its group; that needs a health address for it and its peers (endpoints of the target)", o.Action, e)
	}
	return nil
}

// configured is the group as the configuration has it. One without a health address is not known to work.
func (c *caller) configured(ctx context.Context) []respond.Endpoint {
	var group []respond.Endpoint
	for name := range c.endpoints {
		group = append(group, respond.Endpoint{Name: name, Healthy: c.endpoints[name] != ""})
	}
	sorting.By(group, func(a, b respond.Endpoint) int { return strings.Compare(a.Name, b.Name) })
	c.health(ctx, group)
	return group
}

// state is JSON of what a target looks like. Only maps of plain values come here, so equal states are equal bytes.
func state(v map[string]any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("target: " + err.Error()) // it came from JSON
	}
	return text
}

func unstate(text []byte) (v map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return v, d.Decode(&v)
}

// needs refuses an order that lacks texts.
func needs(o *respond.Order, names ...string) error {
	for _, name := range names {
		v := o.With[name]
		if v == "" || strings.HasPrefix(v, "{") && strings.HasSuffix(v, "}") {
			return fmt.Errorf("%s needs with.%s; write it out, or {NAME} to take it from the key of the alert, which has to have it", o.Action, name)
		}
	}
	return nil
}

// aim names texts of an order.
func aim(o *respond.Order, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		if v := o.With[name]; v != "" {
			fmt.Fprintf(&b, "%s=%q ", name, v)
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

func cannot(o *respond.Order, kind string, can ...string) error {
	return fmt.Errorf("a target of type %s cannot %s; it can %s", kind, o.Action, strings.Join(can, ", "))
}

// segment is a text as one segment of a path that leads nowhere else, as . and .. would.
func segment(s string) string {
	if strings.Trim(s, ".") == "" {
		return "_"
	}
	return url.PathEscape(s)
}
