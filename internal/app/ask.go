package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Asked is the HTTP API of a running service, for commands.
type Asked struct {
	name, base string
	client     http.Client
	pause      time.Duration // between two looks at what is not done yet
	header     http.Header
}

// Ask returns the API of a service at a base URL, "" = where the configuration says that it listens.
func Ask(cfg *Config, service, base string) (*Asked, error) {
	if base == "" {
		var err error
		if base, err = cfg.baseURL(service); err != nil {
			return nil, fmt.Errorf("the port of %s is not fixed; name the service with --url, or set its port", service)
		}
	}
	if u, err := url.Parse(base); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("--url %q is no address such as http://127.0.0.1:9099", base)
	}
	client, err := cfg.client(2 * time.Minute)
	if err != nil {
		return nil, err
	}
	bearer, err := cfg.bearer()
	if err != nil {
		return nil, err
	}
	return &Asked{name: service, base: strings.TrimSuffix(base, "/"), client: *client, pause: time.Second, header: bearer}, nil
}

// With is the same API with a header on each request.
func (a *Asked) With(name, value string) *Asked {
	b := *a
	if b.header = a.header.Clone(); b.header == nil {
		b.header = http.Header{}
	}
	b.header.Set(name, value)
	return &b
}

// patient is the same API without a limit of time: for what takes as long as there is data, and ends when the caller does.
func (a *Asked) patient() *Asked {
	b := *a
	b.client.Timeout = 0
	return &b
}

const maxAnswer = 256 << 20

// Call sends a request; body nil is none, and anything but bytes is sent as JSON. What a problem answer says is the error.
func (a *Asked) Call(ctx context.Context, method, path string, body any) ([]byte, error) {
	status, answer, err := a.ask(ctx, method, path, body)
	switch {
	case err == nil && status == http.StatusUnauthorized && a.header.Get("Authorization") == "":
		err = errors.New("say who you are: give a token with HXP_TOKEN, or its file with HXP_TOKEN_FILE or --token-file; `hxp auth token create` makes one")
	case err == nil && status >= 400:
		err = objection(fmt.Sprintf("%d %s", status, http.StatusText(status)), answer)
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// open sends a request and leaves the answer to be read.
func (a *Asked) open(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var send io.Reader
	switch body := body.(type) {
	case nil:
	case []byte:
		send = bytes.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, send)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, a.header)
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%s does not answer at %s (is hxp running, and are the ports those of this configuration?): %w", a.name, a.base, explainTLS(err))
	}
	return resp, nil
}

// ask is Call that leaves it to the caller what a status means.
func (a *Asked) ask(ctx context.Context, method, path string, body any) (status int, answer []byte, err error) {
	resp, err := a.open(ctx, method, path, body)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("%s %s%s: %w", method, a.base, path, err)
	case len(answer) > maxAnswer:
		return 0, nil, fmt.Errorf("%s %s%s answers with more than %d bytes", method, a.base, path, maxAnswer)
	}
	return resp.StatusCode, answer, nil
}

// report is Into for what answers with a report and 503 when something is wrong.
func (a *Asked) report(ctx context.Context, path string, to any) error {
	status, answer, err := a.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, to); err != nil {
		return fmt.Errorf("GET %s%s: status %d, and no report: %w", a.base, path, status, err)
	}
	return nil
}

// Into is Call for an answer in JSON; to nil is for one that is of no use.
func (a *Asked) Into(ctx context.Context, method, path string, body, to any) error {
	answer, err := a.Call(ctx, method, path, body)
	if err != nil || to == nil {
		return err
	}
	if err := json.Unmarshal(answer, to); err != nil {
		return fmt.Errorf("%s %s%s answers with something else than expected: %w", method, a.base, path, err)
	}
	return nil
}

// objection is what a service says against a request, in one line: a problem document, or the answer of a schema registry.
func objection(status string, answer []byte) error {
	var p struct {
		httpx.ProblemBody
		Message string `json:"message"`
	}
	switch {
	case bytes.Contains(answer, []byte("HTTP request to an HTTPS server")):
		return errors.New("the service speaks TLS; name the authority of its certificate with HXP_TLS_CA_FILE, or ask it with --url https://…")
	case json.Unmarshal(answer, &p) != nil || p.Detail+p.Message == "":
		return errors.New(status)
	case p.Detail == "":
		return errors.New(p.Message)
	}
	text := p.Detail
	for i, e := range p.Errors {
		if i > 0 || !strings.Contains(p.Detail, e.Detail) { // the first one mostly is in the detail
			text += fmt.Sprintf("; %s: %s", e.Pointer, e.Detail)
		}
	}
	return errors.New(text)
}
