package auth

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

const (
	maxSessions   = 1000
	sessionsEach  = maxSessions / 2 // of one token, so that no holder of one logs all others out
	sessionCookie = "hxp_session"
	hostCookie    = "__Host-" + sessionCookie // browsers take it over TLS alone, and from nobody but this host
)

// Sessions lets browsers keep a token: who shows one gets a cookie that stands for it. The cookie says nothing by itself; what it stands for is
// kept here. A session ends at its time, with its token, at the logout, and, unless it is kept in a file, with the process. It is the Authenticator
// of cookies.
type Sessions struct {
	keys Authenticator // of tokens
	life time.Duration
	file string // see KeepIn; "" = a restart ends all

	mu    sync.Mutex
	kept  map[digest]keptSession // all of them, by what is kept of the cookie
	open  map[digest]*session    // those that were used since the start
	over  chan struct{}          // closed when all end
	ended bool
	watch sync.WaitGroup
}

// session is one of a browser. Its principal ends when it does.
type session struct {
	Principal
	token string
	out   func() // ends it
}

// NewSessions makes sessions of tokens that last as long as life, at most.
func NewSessions(keys Authenticator, life time.Duration) *Sessions {
	return &Sessions{keys: keys, life: life, kept: map[digest]keptSession{}, open: map[digest]*session{}, over: make(chan struct{})}
}

// Run waits for the end of ctx and ends all sessions.
func (s *Sessions) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	if !s.ended {
		s.ended = true
		close(s.over)
	}
	s.mu.Unlock()
	s.watch.Wait()
	return nil
}

// LogIn begins a session of a token, and answers with its cookie. One of the scopes is needed, or the session would be of no use.
func (s *Sessions) LogIn(w http.ResponseWriter, r *http.Request, token string, scopes ...httpx.Scope) (*Principal, error) {
	p, err := s.keys.Authenticate(withToken(token))
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, &Refusal{Malformed, "this is no token of hxp, which looks like hxp_ID_SECRET"}
	case !p.Scopes.Allows(scopes):
		return nil, &Refusal{NoScope, "this needs the scope " + Of(scopes...).String() + "; " + p.String() + " has " + p.Scopes.String()}
	}
	secret := newSecret()
	if err := s.begin(secret, p, token); err != nil {
		return nil, err
	}
	http.SetCookie(w, cookieFor(r, secret, s.life))
	return p, nil
}

// begin makes a session. Where there is no place for it, the oldest gives its own up, of the same token where that has many.
func (s *Sessions) begin(secret string, p *Principal, token string) error {
	now := time.Now()
	k := keptSession{ID: digestOf(secret), Token: p.ID, Sealed: seal(secret, token), Began: now, Until: now.Add(s.life)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return &Refusal{Missing, "hxp is stopping; try again in a moment"}
	}
	s.makeRoom(p.ID)
	s.kept[k.ID] = k
	if err := s.write(); err != nil {
		delete(s.kept, k.ID)
		return err
	}
	s.wake(k, p, token)
	return nil
}

// wake lets a session be used until it is over. It runs under mu.
func (s *Sessions) wake(k keptSession, p *Principal, token string) *session {
	out, ended := make(chan struct{}), make(chan struct{})
	one := &session{Principal: *p, token: token, out: sync.OnceFunc(func() { close(out) })}
	one.Ended = ended
	s.open[k.ID] = one
	s.watch.Go(func() {
		defer close(ended)
		timer := time.NewTimer(time.Until(k.Until))
		defer timer.Stop()
		stopped := false
		select {
		case <-timer.C:
		case <-p.Ended:
		case <-out:
		case <-s.over:
			stopped = true
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, k.ID)
		if !stopped { // with the process it ends for now alone
			delete(s.kept, k.ID)
		}
	})
	return one
}

// makeRoom lets the oldest session go where there are too many, of the token or of all. It runs under mu.
func (s *Sessions) makeRoom(token string) {
	var oldest, own digest // of all, and of the token
	each := 0
	older := func(id, than digest) bool {
		first, some := s.kept[than]
		return !some || s.kept[id].Began.Before(first.Began)
	}
	for id, one := range s.kept {
		if older(id, oldest) {
			oldest = id
		}
		if one.Token != token {
			continue
		}
		if each++; older(id, own) {
			own = id
		}
	}
	switch {
	case each >= sessionsEach:
		oldest = own
	case len(s.kept) < maxSessions:
		return
	}
	if one := s.open[oldest]; one != nil {
		one.out()
	}
	delete(s.open, oldest)
	delete(s.kept, oldest)
}

// of is the session of a request, nil when it has none; given tells whether it shows a cookie. Over TLS the plain cookie is none: whoever
// answers on another port of this host, or sees what is not encrypted, could have planted it.
func (s *Sessions) of(r *http.Request) (one *session, given bool) {
	for _, c := range r.CookiesNamed(cookieName(r)) {
		given = true
		if one = s.find(c.Value); one != nil {
			return one, true
		}
	}
	return nil, given
}

// find is the session of a cookie. One from before a restart is woken by the cookie alone, which nobody else has, if its token still counts.
func (s *Sessions) find(secret string) *session {
	id := digestOf(secret)
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.open[id]; one != nil {
		return one
	}
	k, known := s.kept[id]
	if !known || s.ended {
		return nil
	}
	token, ok := unseal(secret, k.Sealed)
	if ok && time.Now().Before(k.Until) {
		if p, err := s.keys.Authenticate(withToken(token)); err == nil && p != nil {
			return s.wake(k, p, token)
		}
	}
	delete(s.kept, id)
	return nil
}

// withToken is a request with a token.
func withToken(token string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}}
}

// Authenticate is part of Authenticator.
func (s *Sessions) Authenticate(r *http.Request) (*Principal, error) {
	one, given := s.of(r)
	switch {
	case one != nil:
		return &one.Principal, nil
	case given:
		return nil, &Refusal{Expired, "the session is over; log in anew"}
	}
	return nil, nil
}

// Token is the token that the session of a request stands for, "" without one. It is for services of other processes, which know no sessions
// of this one.
func (s *Sessions) Token(r *http.Request) string {
	if one, _ := s.of(r); one != nil {
		return one.token
	}
	return ""
}

// LogOut ends the session of a request, and takes its cookie away.
func (s *Sessions) LogOut(w http.ResponseWriter, r *http.Request) {
	if one, _ := s.of(r); one != nil {
		one.out()
		<-one.Ended
		s.mu.Lock()
		_ = s.write() // where the disk is full it is written with the next change
		s.mu.Unlock()
	}
	http.SetCookie(w, cookieFor(r, "", -time.Second))
}

// overTLS tells whether a browser came over TLS. A proxy says so in a header; who says it without one keeps the cookie from himself.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

func cookieName(r *http.Request) string {
	if overTLS(r) {
		return hostCookie
	}
	return sessionCookie
}

// cookieFor makes the cookie of a session. No script reads it, no page of another site makes a browser send it, and where the browser came over
// TLS it goes nowhere else.
func cookieFor(r *http.Request, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: cookieName(r), Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, Secure: overTLS(r), SameSite: http.SameSiteStrictMode}
}
