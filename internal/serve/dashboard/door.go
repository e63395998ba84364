package dashboard

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/web"
)

// door is what strangers see of a board: a place to show a token once. Then the browser has a cookie, see auth.Sessions.
type door struct {
	cfg   Config
	title string
	page  markup
	pages map[string]bool // paths of the board that are pages
}

const maxLogin = 8 << 10 // bytes of the form

func newDoor(b Board, cfg Config) (*door, error) {
	page, err := fs.ReadFile(web.FS, "door.html")
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	d := &door{cfg: cfg, title: b.Title, page: markup(page), pages: map[string]bool{"/": true}}
	for _, more := range b.more {
		d.pages[more.at] = true
	}
	_, err = d.render("", "", "")
	return d, err
}

// mount adds the door to a board that is guarded.
func (d *door) mount(mux *httpx.Mux) {
	mux.HandleFunc("POST /login", d.logIn, httpx.Open()) // here one says who one is
	mux.HandleFunc("POST /logout", d.logOut, httpx.Open())
	d.cfg.Gate.Welcome = d.welcome
}

// welcome shows the door in place of a page.
func (d *door) welcome(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !d.pages[r.URL.Path] || r.Header.Get("Authorization") != "" {
		return false
	}
	// A browser that follows a link of another site leaves the cookie at home. When the page asks for itself, it takes it along.
	refresh := markup("")
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		refresh = `<meta http-equiv="refresh" content="0">`
	}
	d.answer(w, r, r.URL.RequestURI(), "", refresh)
	return true
}

func (d *door) answer(w http.ResponseWriter, r *http.Request, to, why string, refresh markup) {
	page, err := d.render(to, why, refresh)
	if err != nil {
		httpx.Problem(w, r, http.StatusInternalServerError, "the page could not be made: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("WWW-Authenticate", `Bearer realm="hxp"`)
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(page))
}

func (d *door) render(to, why string, refresh markup) (markup, error) {
	note := markup("")
	if why != "" {
		note = `<p class="form-error" role="alert">` + text(why) + `</p>`
	}
	return fill(d.page, map[string]markup{
		"title": text(d.title), "environment": text(d.cfg.Environment), "version": text(d.cfg.Version), "to": text(to), "why": note, "refresh": refresh,
	})
}

// logIn takes a token and goes to the page that was asked for.
func (d *door) logIn(w http.ResponseWriter, r *http.Request) {
	body, bad := httpx.ReadBody(w, r, maxLogin)
	if bad != nil {
		bad.Answer(w, r)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		httpx.Problem(w, r, http.StatusBadRequest, "the form cannot be read")
		return
	}
	to := within(form.Get("to"))
	p, err := d.cfg.Sessions.LogIn(w, r, strings.TrimSpace(form.Get("token")), httpx.Read)
	if err != nil {
		d.cfg.Gate.Count(err) // an alert tells of many; strangers fill no log
		d.log().Debug("login refused", "from", r.RemoteAddr, "error", err)
		d.answer(w, r, to, err.Error(), "")
		return
	}
	d.log().Info("logged in", "who", p.String(), "from", r.RemoteAddr)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (d *door) logOut(w http.ResponseWriter, r *http.Request) {
	d.cfg.Sessions.LogOut(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (d *door) log() *slog.Logger {
	if d.cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.cfg.Log
}

// within is a path of this origin with its query: where a form may lead, whoever wrote it.
func within(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") || strings.ContainsRune(u.Path, '\\') {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}
