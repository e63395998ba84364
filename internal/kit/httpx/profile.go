package httpx

import (
	"fmt"
	"net/http"
	"net/netip"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"
)

// mostProfiled bounds a profile over time: the answer is held until it is over.
const mostProfiled = 60 * time.Second

// MountProfiles adds what go tool pprof asks for: profiles of the process by name, and over some seconds of its processor time ("profile") and of
// its scheduling ("trace"). They show names of functions and sizes, no data; taking them costs, so they are for administrators.
func MountProfiles(m *Mux) {
	m.HandleFunc("GET /debug/pprof/{profile}", func(w http.ResponseWriter, r *http.Request) {
		if m.doors == nil && !nearby(r) { // nobody is asked who he is
			Problem(w, r, http.StatusForbidden, "without authentication only this machine may profile; see HXP_AUTH_TOKENS_FILE")
			return
		}
		profile(w, r)
	}, Needs(Admin), Stream(), Doc("A profile of the process for go tool pprof: heap, allocs, goroutine, block, mutex, threadcreate; profile and trace over some seconds."),
		InPath("profile", "its name"), Query("seconds", "how long profile and trace watch; 30 and 1 when absent, 60 at most"), Query("debug", "1 for text"),
		AnswerAs("200", "application/octet-stream", "the profile"), AnswerAs("200", "text/plain", "the same as text"))
}

// nearby tells whether a request comes from this machine.
func nearby(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback()
}

func profile(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch name := r.PathValue("profile"); name {
	case "profile":
		watch(w, r, 30*time.Second, func() error { return pprof.StartCPUProfile(w) }, pprof.StopCPUProfile)
	case "trace":
		watch(w, r, time.Second, func() error { return trace.Start(w) }, trace.Stop)
	default:
		p := pprof.Lookup(name)
		if p == nil {
			Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no profile %.40q; there are heap, allocs, goroutine, block, mutex, threadcreate, profile and trace", name))
			return
		}
		debug, kind := 0, "application/octet-stream"
		if r.URL.Query().Get("debug") == "1" { // 2 would show arguments of functions
			debug, kind = 1, "text/plain; charset=utf-8"
		}
		w.Header().Set("Content-Type", kind)
		_ = p.WriteTo(w, debug) // who asked has gone
	}
}

// watch profiles for as long as is asked for, or until nobody waits for it. There is one at a time in a process.
func watch(w http.ResponseWriter, r *http.Request, usual time.Duration, start func() error, stop func()) {
	d := usual
	if text := r.URL.Query().Get("seconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || time.Duration(n)*time.Second > mostProfiled {
			Problem(w, r, http.StatusBadRequest, fmt.Sprintf("seconds=%.20q: give a whole number from 1 to %d", text, int(mostProfiled.Seconds())))
			return
		}
		d = time.Duration(n) * time.Second
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := start(); err != nil {
		Problem(w, r, http.StatusConflict, "somebody else is profiling: "+err.Error())
		return
	}
	defer stop()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-Draining(r.Context()):
	}
}
