package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/batch/airflow"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// openTokens reads the file of tokens, where one is named. From then on every service asks who it is that sends a request.
func (s *system) openTokens() error {
	if s.set.tokensFile == "" {
		return nil
	}
	keys, err := auth.OpenKeyring(s.set.tokensFile, s.log.With("part", "tokens"), time.Now)
	if err != nil {
		return fmt.Errorf("file of tokens (HXP_AUTH_TOKENS_FILE): %w", err)
	}
	s.keys, s.voucher = keys, auth.NewVoucher(time.Now)
	s.sessions, s.tickets = auth.NewSessions(keys, s.set.sessionLife), auth.NewTickets(time.Now)
	if err := s.sessions.KeepIn(filepath.Join(s.set.dataDir, "sessions", "sessions.json")); err != nil {
		s.log.Warn("whoever was logged in has to log in anew", "error", err)
	}
	return nil
}

// buildSessions is the part that ends the sessions of browsers.
func (s *system) buildSessions(context.Context) (run.Service, error) { return s.sessions, nil }

// buildTokens is the part that follows the file of tokens.
func (s *system) buildTokens(context.Context) (run.Service, error) {
	s.keys.Changed = func(list []auth.TokenChange) {
		until := time.Now().Add(noteWithin) // for all of them: the next token to be revoked waits meanwhile
		for _, c := range list {
			s.note(time.Until(until), audit.Record{Who: "the file of tokens", Service: "tokens", What: "token " + c.What, Target: c.Token().String(), Before: sideOf(c.Before), After: sideOf(c.After)})
		}
	}
	return s.keys, nil
}

// sideOf is a token or a user as the audit shows it, null for none.
func sideOf[T auth.Token | airflow.User](x *T) json.RawMessage {
	out, _ := json.Marshal(x) // texts and times
	return out
}

// guard judges the requests of a service; nil where nobody is asked who he is.
func (s *system) guard(service string) httpx.Guard {
	if s.keys == nil {
		return nil
	}
	return s.gate(service)
}

// gate tells who sends a request of a service.
func (s *system) gate(service string) *auth.Gate {
	if service == DataStreamingAPI {
		return auth.NewGate(s.registry(service), s.voucher, s.keys, s.tickets)
	}
	return auth.NewGate(s.registry(service), s.voucher, s.keys)
}

// boardGate tells who looks at a board: his browser may have a session. nil where nobody is asked who he is.
func (s *system) boardGate() *auth.Gate {
	if s.keys == nil {
		return nil
	}
	return auth.NewGate(s.registry(DataStreamingAPI), s.voucher, s.keys, s.sessions)
}

// checkTokens says whether changes of the file of tokens are seen.
func (s *system) checkTokens(context.Context) httpx.Check {
	if why := s.keys.Trouble(); why != "" {
		return httpx.Check{Status: httpx.Degraded, Detail: "the file of tokens cannot be read, and what was known stays in force: " + why}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "the file of tokens is followed"}
}

// senderID names who brings events, for quotas and idempotency keys; "" where nobody is asked.
func senderID(r *http.Request) string {
	if p := auth.From(r.Context()); p != nil {
		return "token " + p.ID
	}
	return ""
}

// speakFor lets a request that this process passes on, or sends by itself, say for whom. What a sender says of himself goes as it is.
func (s *system) speakFor(p *auth.Principal, h http.Header) {
	if s.voucher != nil && p != nil && h.Get("Authorization") == "" {
		h.Set("Authorization", s.voucher.For(p))
	}
}

// useTokens lets tokens of hxp, and sessions of browsers that stand for one, use the scheduler beside its own users.
func (s *system) useTokens(c *airflow.Config) {
	if s.keys == nil {
		return
	}
	gate := auth.NewGate(s.registry(Scheduler), s.voucher, s.keys, s.sessions)
	c.Token = func(r *http.Request) (airflow.User, error) {
		p, err := gate.Identify(r)
		if err != nil {
			return airflow.User{}, err
		}
		return airflowUser(p)
	}
	c.LogIn = func(w http.ResponseWriter, r *http.Request, token string) (airflow.User, error) {
		p, err := s.sessions.LogIn(w, r, token, httpx.Read)
		if err != nil {
			gate.Count(err)
			return airflow.User{}, err
		}
		return airflowUser(p)
	}
	c.LogOut = s.sessions.LogOut
}

// airflowUser is somebody as the scheduler knows users: an administrator may do everything, a reader look.
func airflowUser(p *auth.Principal) (airflow.User, error) {
	switch {
	case p.Tenant != "":
		return airflow.User{}, airflow.Forbidden(fmt.Sprintf("%s is bound to the tenant %q, and the scheduler knows no tenants", p, p.Tenant))
	case p.Scopes.Allows([]httpx.Scope{httpx.Admin}):
		return airflow.User{Name: p.String(), Role: "Admin"}, nil
	case p.Scopes.Allows([]httpx.Scope{httpx.Read}):
		return airflow.User{Name: p.String(), Role: "Viewer"}, nil
	}
	return airflow.User{}, airflow.Forbidden(fmt.Sprintf("this needs the scope read or admin; %s has %s", p, p.Scopes))
}

// token is what commands prove with who they are, "" where none is given.
func (c *Config) token() (string, error) {
	if c.Token != "" || c.TokenFile == "" {
		return strings.TrimSpace(c.Token), nil
	}
	text, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("file with a token (--token-file, HXP_TOKEN_FILE): %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// bearer is the header of requests of commands.
func (c *Config) bearer() (http.Header, error) {
	token, err := c.token()
	if err != nil || token == "" {
		return http.Header{}, err
	}
	return http.Header{"Authorization": {"Bearer " + token}}, nil
}

// Tokens is the file of tokens of the configuration, for the commands that change it.
func (c *Config) Tokens() (auth.File, error) {
	if c.TokensFile == "" {
		return auth.File{}, fmt.Errorf("no file of tokens is named: set HXP_AUTH_TOKENS_FILE, as in HXP_AUTH_TOKENS_FILE=%s/tokens.json; once a running hxp has it too, it asks everybody for a token", c.DataDir)
	}
	return auth.File{Path: c.TokensFile, Now: time.Now}, nil
}
