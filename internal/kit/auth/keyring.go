package auth

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// followEvery is how often the file of tokens is looked at.
const followEvery = 2 * time.Second

// Keyring holds the tokens of a file, and follows the file while it runs. It is the Authenticator of bearer tokens.
type Keyring struct {
	path string
	log  *slog.Logger
	now  func() time.Time
	// Changed, when set, hears of all that changed in the file while it is followed. The file is not looked at meanwhile. Set it before Run.
	Changed func([]TokenChange)

	tokens []entry // of the file; belongs to Run

	mu      sync.RWMutex
	ring    ring
	tenants map[string]bool // that tokens are bound to
	stamp   stamp
	trouble string // why the file could not be read, "" when it could
}

// ring holds by id what a token may be proved with: its secret, and for a while the one before.
type ring map[string][]*holder

// holder is a secret and whose it is.
type holder struct {
	Principal
	secret digest
	until  time.Time // zero = no end
	over   chan struct{}
	ended  bool // over is closed
}

func (h *holder) expired(now time.Time) bool { return !h.until.IsZero() && !now.Before(h.until) }

// stamp tells one state of a file from another.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

func stampOf(path string) (s stamp, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s = stamp{modified: info.ModTime(), size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s, nil
}

// OpenKeyring reads the file of tokens at path. That there is none yet is no fault: nobody gets in until somebody makes a token.
func OpenKeyring(path string, log *slog.Logger, now func() time.Time) (*Keyring, error) {
	k := &Keyring{path: path, log: log, now: now}
	at, err := stampOf(path)
	if err != nil {
		return nil, err
	}
	d, err := read(path)
	if err != nil {
		return nil, err
	}
	k.take(d, at)
	if len(d.Tokens) == 0 {
		log.Warn("there are no tokens, so nobody gets in; hxp auth token create makes one", "file", path)
	}
	return k, nil
}

// Run follows the file until ctx ends.
func (k *Keyring) Run(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.look()
		}
	}
}

// look reads the file when it has changed, and ends tokens whose time is over.
func (k *Keyring) look() {
	at, err := stampOf(k.path)
	if err == nil && at == k.stamp {
		k.expire()
		return
	}
	var d *document
	if err == nil {
		d, err = read(k.path)
	}
	if err != nil {
		k.expire()
		if k.trouble != err.Error() { // once for each reason
			k.log.Error("the file of tokens cannot be read; those that were known stay in force", "error", err)
		}
		k.mu.Lock()
		k.trouble = err.Error()
		k.mu.Unlock()
		return
	}
	before := k.tokens
	k.take(d, at)
	if at == (stamp{}) {
		k.log.Error("the file of tokens is gone, so nobody gets in", "file", k.path)
	} else {
		k.log.Info("tokens read", "file", k.path, "tokens", len(d.Tokens))
	}
	if list := changes(before, d.Tokens); k.Changed != nil && len(list) > 0 {
		k.Changed(list)
	}
}

// take makes the tokens of a file those that count. What did not change stays as it is; what went ends, with everything that hangs on it.
func (k *Keyring) take(d *document, at stamp) {
	next, tenants := ring{}, map[string]bool{}
	k.tokens = d.Tokens
	for i := range d.Tokens {
		e := &d.Tokens[i]
		tenants[e.Tenant] = true
		next.add(e, e.Secret, orZero(e.Expires))
		if e.Old != nil {
			next.add(e, e.Old.Secret, earlier(e.Old.Until, orZero(e.Expires)))
		}
	}
	k.mu.Lock()
	before := k.ring
	for _, h := range before.all() {
		same := next.find(h.ID, h.secret)
		switch {
		case h.ended:
		case same != nil && same.Scopes == h.Scopes && same.Tenant == h.Tenant:
			same.over, same.Ended = h.over, h.Ended
		default:
			close(h.over)
		}
	}
	k.ring, k.tenants, k.stamp, k.trouble = next, tenants, at, ""
	k.mu.Unlock()
	k.expire()
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// earlier of two ends, of which the second may be none.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

func (r ring) add(e *entry, secret digest, until time.Time) {
	over := make(chan struct{})
	r[e.ID] = append(r[e.ID], &holder{Principal: Principal{ID: e.ID, Name: e.Name, Scopes: e.Scopes, Tenant: e.Tenant, Ended: over}, secret: secret, until: until, over: over})
}

func (r ring) all() (out []*holder) {
	for _, list := range r {
		out = append(out, list...)
	}
	return out
}

// find compares with every secret of an id, whichever fits.
func (r ring) find(id string, secret digest) (found *holder) {
	for _, h := range r[id] {
		if h.secret.is(secret) {
			found = h
		}
	}
	return found
}

// expire ends what is over.
func (k *Keyring) expire() {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.ring.all() {
		if h.expired(now) && !h.ended { // it stays on the ring, so that who comes late hears why
			close(h.over)
			h.ended = true
		}
	}
}

// Trouble tells why the file cannot be read now, "" when it can.
func (k *Keyring) Trouble() string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.trouble
}

// Authenticate is part of Authenticator.
func (k *Keyring) Authenticate(r *http.Request) (*Principal, error) {
	text, given, err := Bearer(r)
	if err != nil || !given {
		return nil, err
	}
	id, secret, ok := split(text)
	if !ok {
		return nil, &Refusal{Malformed, "this is no token of hxp, which looks like hxp_ID_SECRET"}
	}
	proof := digestOf(secret)
	k.mu.RLock()
	defer k.mu.RUnlock()
	h := k.ring.find(id, proof)
	switch {
	case h == nil:
		return nil, errUnknownToken
	case h.expired(k.now()):
		return nil, &Refusal{Expired, "the token is over; hxp auth token create makes another"}
	}
	return &h.Principal, nil
}

// HasTenant tells whether a token is bound to a tenant.
func (k *Keyring) HasTenant(name string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return name != "" && k.tenants[name]
}

// errUnknownToken does not tell whether the id exists.
var errUnknownToken = &Refusal{Unknown, "this token is not known here, or not any more"}

// Bearer is the bearer token of a request.
func Bearer(r *http.Request) (text string, given bool, err error) {
	list := r.Header["Authorization"]
	if len(list) == 0 {
		return "", false, nil
	}
	if len(list) > 1 {
		return "", false, &Refusal{Malformed, "the header Authorization is there several times"}
	}
	scheme, text, _ := strings.Cut(list[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return "", false, nil
	}
	return strings.TrimSpace(text), true, nil
}
