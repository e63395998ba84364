package airflow

import (
	"context"
	"crypto/hmac"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// How long tokens are good for: those of programs and pages as Airflow's, those of its command line shorter.
const (
	tokenLife    = 24 * time.Hour
	cliTokenLife = time.Hour
)

// caller is who sends a request.
type caller struct {
	User
	via    string // cli, rest_api, ui
	record string // who it is in the audit log of changes
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

func (a *API) mountAuth(m *httpx.Mux) {
	created := httpx.Answer("201", "access_token, a JWT.")
	wrong := httpx.Answer("401", "User and password do not belong together.")
	many := httpx.Answer("429", "Too many wrong passwords from this address; Retry-After says when the next is looked at.")
	a.open(m, "POST /auth/token", "Gives a token for 24 hours to a user with a password.", a.login(tokenLife), created, wrong, many, httpx.ChangesNothing())
	a.open(m, "POST /auth/token/cli", "Gives a token for an hour.", a.login(cliTokenLife), created, wrong, many, httpx.ChangesNothing())
	a.open(m, "GET /auth/token", "A token without a password: not here.", func(http.ResponseWriter, *http.Request) (any, error) {
		return nil, refuse(http.StatusForbidden, "A token needs a user and a password: POST them to /auth/token. The password of admin lies in the data folder under airflow/"+passwordsFile)
	}, httpx.Answer("403", "Always."))
	a.open(m, "GET /ui/session", "Says whether the page may work, and who is logged in.", a.getSession)
	a.open(m, "POST /ui/session", "Logs a page in; without user and password where that is not needed.", a.postSession, wrong, many, httpx.ChangesNothing())
	a.open(m, "DELETE /ui/session", "Logs a page out.", a.deleteSession, httpx.Answer("204", "Logged out."), httpx.ChangesNothing())
}

// login answers with a token that is good for d.
func (a *API) login(d time.Duration) endpoint {
	return func(w http.ResponseWriter, r *http.Request) (any, error) {
		b, err := readBody(w, r)
		if err != nil {
			return nil, err
		}
		b.required("username", "password")
		name, password := b.text("username"), b.text("password")
		if err := b.done(); err != nil {
			return nil, err
		}
		u, err := a.checkPassword(r, name, password)
		if err != nil {
			return nil, err
		}
		w.Header().Set("Cache-Control", "no-store")
		httpx.JSON(w, http.StatusCreated, map[string]string{"access_token": a.vault.Token(u, "rest_api", a.now(), d)})
		return answered, nil
	}
}

func (a *API) checkPassword(r *http.Request, name, password string) (User, error) {
	if wait := a.guesses.take(r.RemoteAddr, a.now()); wait > 0 {
		return User{}, &fault{http.StatusTooManyRequests, "Too many wrong passwords; try again later", wait}
	}
	u, ok, err := a.vault.check(name, password)
	if err != nil {
		return u, err
	}
	if !ok {
		a.log.Warn("login refused", "user", name, "from", r.RemoteAddr)
		return u, refuse(http.StatusUnauthorized, "Invalid credentials")
	}
	a.guesses.right(r.RemoteAddr)
	return u, nil
}

// who finds out who sends a request: by the bearer token, else by the cookie of the page. What the vault did not give is asked of the installation,
// which knows tokens and sessions of its own.
func (a *API) who(r *http.Request) (caller, error) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	given := bearer
	if c, none := r.Cookie(cookieName(r)); !bearer && none == nil {
		token, given = c.Value, true
	}
	who, err := caller{}, error(refuse(http.StatusUnauthorized, "Not authenticated"))
	if given {
		who, err = a.ofVault(strings.TrimSpace(token))
	}
	if err == nil || a.cfg.Token == nil || bearer && !errors.Is(err, errForeign) {
		return who, err
	}
	if other, no := a.stranger(r); no == nil || bearer || asFault(no).status == http.StatusForbidden {
		return other, no
	}
	return who, err
}

// errForeign is the refusal of a token that is none of the vault.
var errForeign = refuse(http.StatusUnauthorized, "Invalid JWT token")

// ofVault is the bearer of a token that the vault gave.
func (a *API) ofVault(token string) (caller, error) {
	c, err := verify(a.vault.secret, token, a.now())
	switch {
	case errors.Is(err, errExpired):
		return caller{}, refuse(http.StatusUnauthorized, "Token Expired")
	case err != nil:
		return caller{}, errForeign
	}
	u, err := a.bearer(c)
	return caller{u, c.Via, "user " + u.Name + " of the scheduler"}, err
}

// Forbidden is why somebody who is known may not use the scheduler, see Config.Token.
type Forbidden string

func (f Forbidden) Error() string { return string(f) }

// stranger is who sends a token of the installation, or has a session there.
func (a *API) stranger(r *http.Request) (caller, error) {
	u, err := a.cfg.Token(r)
	if err != nil {
		return caller{}, refusalOf(err)
	}
	return caller{u, "rest_api", u.Name}, nil
}

// refusalOf answers why the installation does not let somebody in.
func refusalOf(err error) error {
	if no, known := errors.AsType[Forbidden](err); known {
		return refuse(http.StatusForbidden, no.Error())
	}
	return refuse(http.StatusUnauthorized, err.Error())
}

// bearer is the user of a good token as he is now. A token without a stamp was not given at a login: who holds the key signed it for the
// command line, or the page got it where it needs no login.
func (a *API) bearer(c claims) (User, error) {
	if c.Stamp == "" {
		if c.Via == "cli" || c.Via == "ui" && a.cfg.Open {
			return User{Name: c.Subject, Role: c.Role}, nil
		}
		return User{}, refuse(http.StatusUnauthorized, "The token is of a login that no longer counts; log in again")
	}
	u, exists, err := a.vault.user(c.Subject)
	if err != nil {
		return User{}, err
	}
	if !exists || !hmac.Equal([]byte(u.stamp), []byte(c.Stamp)) {
		return User{}, refuse(http.StatusUnauthorized, "The user was removed or changed after the token was given; log in again")
	}
	return u, nil
}

// cookieName holds the port, because cookies do not: two instances on one machine must not log each other out.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "0"
	}
	return "hxp_session_" + port
}

func (a *API) getSession(w http.ResponseWriter, r *http.Request) (any, error) {
	c, err := a.who(r)
	if err != nil {
		return map[string]any{"user": nil, "login": !a.cfg.Open}, nil
	}
	return map[string]any{"user": c.Name, "role": c.Role, "login": !a.cfg.Open}, nil
}

// postSession gives the page a cookie. Where no login is needed everybody is the user local; else user and password are asked for.
func (a *API) postSession(w http.ResponseWriter, r *http.Request) (any, error) {
	u := User{Name: "local", Role: "Admin"}
	if !a.cfg.Open {
		b, err := readBody(w, r)
		if err != nil {
			return nil, err
		}
		b.required("username", "password")
		name, password := b.text("username"), b.text("password")
		if err := b.done(); err != nil {
			return nil, err
		}
		if a.cfg.LogIn != nil && strings.HasPrefix(password, tokenBegin) {
			if u, err = a.cfg.LogIn(w, r, password); err != nil {
				return nil, refusalOf(err)
			}
			return map[string]any{"user": u.Name, "role": u.Role, "login": true}, nil
		}
		if u, err = a.checkPassword(r, name, password); err != nil {
			return nil, err
		}
	}
	http.SetCookie(w, a.cookie(r, a.vault.Token(u, "ui", a.now(), tokenLife), int(tokenLife.Seconds())))
	return map[string]any{"user": u.Name, "role": u.Role, "login": !a.cfg.Open}, nil
}

// tokenBegin is how tokens of the installation begin, which the page takes in place of a password.
const tokenBegin = "hxp_"

func (a *API) deleteSession(w http.ResponseWriter, r *http.Request) (any, error) {
	if a.cfg.LogOut != nil {
		a.cfg.LogOut(w, r)
	}
	http.SetCookie(w, a.cookie(r, "", -1))
	return nil, nil
}

func (a *API) cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: cookieName(r), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil}
}
