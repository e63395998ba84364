package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// Limits of the file of tokens.
const (
	maxFile   = 4 << 20
	maxTokens = 10_000
	maxName   = 128 // bytes of the name of a token, and of a tenant
	version   = 1
)

// Token is what is known of a token.
type Token struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Scopes  Scopes     `json:"scopes"`
	Tenant  string     `json:"tenant"` // "" = bound to none
	Created time.Time  `json:"created_at"`
	Rotated *time.Time `json:"rotated_at,omitempty"`
	Expires *time.Time `json:"expires_at,omitempty"`
}

// String names a token in audits, as the principal that it proves.
func (t *Token) String() string { return (&Principal{ID: t.ID, Name: t.Name}).String() }

// entry is a Token as the file has it.
type entry struct {
	Token
	Secret digest    `json:"sha256"`
	Old    *oldEntry `json:"previous,omitempty"`
}

// oldEntry is the secret before a rotation, while it still counts.
type oldEntry struct {
	Secret digest    `json:"sha256"`
	Until  time.Time `json:"until"`
}

// document is the file.
type document struct {
	Version int     `json:"version"`
	Tokens  []entry `json:"tokens"`
}

// What can be wrong with a change.
var (
	ErrUnknown   = errors.New("there is no such token")
	ErrAmbiguous = errors.New("several tokens have this name")
)

// parse reads the file of tokens. Every fault is one of the whole file: half of a list of who may come in is no list.
func parse(text []byte) (*document, error) {
	d := &document{}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(d); err != nil {
		return nil, fmt.Errorf("it is no file of tokens: %w", err)
	}
	if _, err := in.Token(); err != io.EOF {
		return nil, errors.New("it is no file of tokens: something follows on the JSON object")
	}
	if d.Version != version {
		return nil, fmt.Errorf("it has version %d; this hxp reads version %d", d.Version, version)
	}
	if len(d.Tokens) > maxTokens {
		return nil, fmt.Errorf("it has %d tokens; at most %d are read", len(d.Tokens), maxTokens)
	}
	seen := map[string]bool{}
	for i := range d.Tokens {
		t := &d.Tokens[i]
		switch {
		case !isWord(t.ID) || len(t.ID) > maxID:
			return nil, fmt.Errorf("token %d: the id %.40q is not of lower-case letters and digits", i, t.ID)
		case seen[t.ID]:
			return nil, fmt.Errorf("the id %s is there twice", t.ID)
		case t.Scopes == 0:
			return nil, fmt.Errorf("token %s has no scope", t.ID)
		}
		if err := checkTexts(t.Name, t.Tenant); err != nil {
			return nil, fmt.Errorf("token %s: %w", t.ID, err)
		}
		seen[t.ID] = true
	}
	return d, nil
}

// checkTexts refuses names that terminals and filters would take for something else.
func checkTexts(name, tenant string) error {
	for what, s := range map[string]string{"name": name, "tenant": tenant} {
		switch {
		case len(s) > maxName:
			return fmt.Errorf("the %s has %d bytes; at most %d are taken", what, len(s), maxName)
		case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
			return fmt.Errorf("the %s %q has characters that cannot be printed", what, s)
		}
	}
	if strings.HasPrefix(tenant, "__") || tenant != strings.TrimSpace(tenant) || strings.ContainsAny(tenant, ",*") {
		return fmt.Errorf("the tenant %q is not the name of one: it must not begin with __, which is what hxp calls groups of many, nor with a blank, nor have a comma or an asterisk in it", tenant)
	}
	return nil
}

// read reads the file at path; none is a file without tokens.
func read(path string) (*document, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &document{Version: version}, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if err := checkMode(f); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	d, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// checkMode refuses a file that others may write: whoever writes it lets in whom he likes.
func checkMode(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", f.Name())
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s may be written by others (mode %04o); chmod 600 it", f.Name(), info.Mode().Perm())
	}
	return nil
}

// File is the file of tokens for those who change it. Several processes may: each change reads and writes the file under a lock.
type File struct {
	Path string
	Now  func() time.Time
}

// lockPatience is how long a change waits for another one.
const (
	lockPatience = 5 * time.Second
	lockPause    = 20 * time.Millisecond
)

// change lets do change the file.
func (f File) change(do func(*document) error) error {
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }()
	d, err := read(f.Path)
	if err != nil {
		return err
	}
	if err := do(d); err != nil {
		return err
	}
	now := f.Now()
	for i := range d.Tokens { // nothing is kept of secrets that no longer count
		if old := d.Tokens[i].Old; old != nil && !now.Before(old.Until) {
			d.Tokens[i].Old = nil
		}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	owner, err := ownerOf(f.Path)
	if err != nil {
		return err
	}
	if err := atomicfile.WritePrivate(f.Path, append(text, '\n')); err != nil {
		return err
	}
	return owner.keep(f.Path)
}

func (f File) lock() (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return nil, err
	}
	lock := f.Path + ".lock"
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPause) {
		unlock, err = atomicfile.Lock(lock)
		if err == nil {
			if err = likeFolder(lock); err != nil {
				return nil, errors.Join(err, unlock())
			}
			return unlock, nil
		}
		if !errors.Is(err, atomicfile.ErrLocked) || time.Now().After(end) {
			return unlock, err
		}
	}
}

// owner is whose file it is.
type owner struct{ user, group int }

// ownerOf is the owner of a file, or of the folder where it will be: root who makes a token for a service must not lock the service out.
func ownerOf(path string) (o owner, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		info, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return o, err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return owner{int(s.Uid), int(s.Gid)}, nil
	}
	return owner{os.Geteuid(), os.Getegid()}, nil
}

// likeFolder gives a file that root may have made to whom its folder belongs.
func likeFolder(path string) error {
	o, err := ownerOf(filepath.Dir(path))
	if err != nil {
		return err
	}
	return o.keep(path)
}

func (o owner) keep(path string) error {
	if os.Geteuid() != 0 || o.user == 0 {
		return nil
	}
	return os.Chown(path, o.user, o.group)
}

// List gives the tokens in the order in which they were made.
func (f File) List() ([]Token, error) {
	d, err := read(f.Path)
	if err != nil {
		return nil, err
	}
	out := make([]Token, 0, len(d.Tokens))
	for _, e := range d.Tokens {
		out = append(out, e.Token)
	}
	return out, nil
}

// Create adds a token and returns its text, which nobody can tell afterwards. life 0 is without an end.
func (f File) Create(name string, scopes Scopes, tenant string, life time.Duration) (t Token, text string, err error) {
	if scopes == 0 {
		return t, "", fmt.Errorf("name a scope: %s", allScopes())
	}
	if err := checkTexts(name, tenant); err != nil {
		return t, "", err
	}
	secret := newSecret()
	err = f.change(func(d *document) error {
		if len(d.Tokens) >= maxTokens {
			return fmt.Errorf("there are %d tokens, which is the limit; revoke some", len(d.Tokens))
		}
		now := f.Now().UTC().Truncate(time.Second)
		t = Token{ID: newID(), Name: name, Scopes: scopes, Tenant: tenant, Created: now}
		for slices.ContainsFunc(d.Tokens, func(e entry) bool { return e.ID == t.ID }) {
			t.ID = newID()
		}
		if life > 0 {
			t.Expires = new(now.Add(life))
		}
		d.Tokens = append(d.Tokens, entry{Token: t, Secret: digestOf(secret)})
		return nil
	})
	return t, join(t.ID, secret), err
}

// Revoke takes away the token with an id, or a name that one token alone has.
func (f File) Revoke(which string) (t Token, err error) {
	err = f.change(func(d *document) error {
		i, err := d.find(which)
		if err != nil {
			return err
		}
		t = d.Tokens[i].Token
		d.Tokens = slices.Delete(d.Tokens, i, i+1)
		return nil
	})
	return t, err
}

// Rotate gives a token a new secret. The one before counts for grace.
func (f File) Rotate(which string, grace time.Duration) (t Token, text string, err error) {
	secret := newSecret()
	err = f.change(func(d *document) error {
		i, err := d.find(which)
		if err != nil {
			return err
		}
		e, now := &d.Tokens[i], f.Now().UTC().Truncate(time.Second)
		if e.Old = nil; grace > 0 {
			e.Old = &oldEntry{e.Secret, now.Add(grace)}
		}
		e.Secret, e.Rotated = digestOf(secret), &now
		t = e.Token
		return nil
	})
	return t, join(t.ID, secret), err
}

func (d *document) find(which string) (int, error) {
	if i := slices.IndexFunc(d.Tokens, func(e entry) bool { return e.ID == which }); i >= 0 {
		return i, nil
	}
	found := -1
	for i := range d.Tokens {
		if d.Tokens[i].Name != which || which == "" {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("%w: %q; give the id", ErrAmbiguous, which)
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: %q", ErrUnknown, which)
	}
	return found, nil
}
