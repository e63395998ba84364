package broker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	maxUsers     = 1000
	maxUserName  = 255 // bytes
	maxUsersFile = 1 << 20
)

// users knows who may log in. Safe for concurrent use.
type users struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	seen   string             // what the file looked like when it was read
	fault  string             // why that failed, "" when it did not
	tried  time.Time          // when it was
	told   string             // why a user could not log in, as the log said last
	listed map[string]string  // name → password, or where it is
	rights map[string]*rights // of those of them who may not do everything
	salted map[saltedKey]*verifier
}

type saltedKey struct{ mechanism, user, password string }

// newUsers reads the file; what is wrong with it is an error now.
func newUsers(cfg Config, log *slog.Logger) (*users, error) {
	u := &users{cfg: cfg, log: log, seen: look(cfg.UsersFile), salted: map[saltedKey]*verifier{}}
	var err error
	if u.listed, u.rights, err = readUsers(cfg.UsersFile); err != nil {
		return nil, err
	}
	for name, where := range u.listed {
		if _, err := u.password(name, where); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// CheckUsers tells what is wrong with the file of users.
func CheckUsers(cfg Config) error {
	_, err := newUsers(cfg, slog.New(slog.DiscardHandler))
	return err
}

// credential is a user as he is now, nil when there is no such user.
func (u *users) credential(name string) *credential {
	where, rights := u.entry(name)
	password, err := u.password(name, where)
	if errors.Is(err, errNoUser) {
		return nil
	}
	if err != nil {
		u.complain(name, err)
	}
	return &credential{user: name, password: password, rights: rights, unread: err != nil}
}

// complain says why a user cannot log in, once for each reason: strangers may try as often as they like.
func (u *users) complain(name string, err error) {
	u.mu.Lock()
	again := u.told == err.Error()
	u.told = err.Error()
	u.mu.Unlock()
	if !again {
		u.log.Error("a user of the embedded broker cannot log in", "user", clip(name), "error", err)
	}
}

// entry is the password of a user of the file, or the place that it names instead, "" for who is not in it, and his rights.
func (u *users) entry(name string) (where string, r *rights) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refresh(time.Now())
	return u.listed[name], u.rights[name]
}

var errNoUser = errors.New("there is no such user")

// password is that of a user of the file, or else of hxp's own one. It may read a file, so nobody waits for it.
func (u *users) password(name, where string) (string, error) {
	if where != "" {
		password, err := reveal(where)
		if err != nil {
			return "", fmt.Errorf("%s: the password of %s: %w", u.cfg.UsersFile, name, err)
		}
		return password, nil
	}
	if u.cfg.Own == nil {
		return "", errNoUser
	}
	own, password, err := u.cfg.Own()
	switch {
	case err != nil:
		return "", err
	case own != name:
		return "", errNoUser
	}
	return password, nil
}

// tryAgain is how long a file that could not be read is left alone, unless it changes.
const tryAgain = time.Second

// refresh reads the file when it has changed; what is wrong then leaves those from before, until it reads well.
func (u *users) refresh(now time.Time) {
	seen := look(u.cfg.UsersFile)
	if seen == u.seen && (u.fault == "" || now.Sub(u.tried) < tryAgain) {
		return
	}
	u.seen, u.tried = seen, now
	listed, rights, err := readUsers(u.cfg.UsersFile)
	if err != nil {
		if u.fault != err.Error() { // once for each reason
			u.log.Error("the users of the embedded broker are not reloaded, those from before stay", "error", err)
		}
		u.fault = err.Error()
		return
	}
	u.fault, u.listed, u.rights = "", listed, rights
	clear(u.salted)
	u.log.Info("users of the embedded broker reloaded", "users", len(listed))
}

// verifier is what SCRAM needs of a user; it is made once, because making it is slow on purpose.
func (u *users) verifier(m *mechanism, name, password string) *verifier {
	key := saltedKey{m.name, name, password}
	u.mu.Lock()
	v := u.salted[key]
	u.mu.Unlock()
	if v != nil {
		return v
	}
	v = newVerifier(m, password, m.saltOf(name))
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.salted) > 2*maxUsers { // passwords that changed elsewhere
		clear(u.salted)
	}
	if first := u.salted[key]; first != nil {
		return first
	}
	u.salted[key] = v
	return v
}

// look tells the state of a file without reading it.
func look(path string) string {
	if path == "" {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return info.ModTime().Format(time.RFC3339Nano) + " " + fmt.Sprint(info.Size())
}

// readUsers reads lines NAME:PASSWORD and allow NAME SCOPE; a password may be env:VARIABLE or file:PATH. Blank lines and those that begin with #
// are none.
func readUsers(path string) (listed map[string]string, allowed map[string]*rights, err error) {
	if path == "" {
		return nil, nil, nil
	}
	text, err := readPrivate(path)
	if err != nil {
		return nil, nil, fmt.Errorf("users_file: %w", err)
	}
	listed, allowed = map[string]string{}, map[string]*rights{}
	lines := map[string]int{} // of the first right of each user
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, allowWord) {
			user, err := parseAllow(line, allowed)
			if err != nil {
				return nil, nil, fmt.Errorf("users_file: %s:%d: %w", path, i+1, err)
			}
			if lines[user] == 0 {
				lines[user] = i + 1
			}
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		if err := checkUser(name, password, ok); err != nil {
			return nil, nil, fmt.Errorf("users_file: %s:%d: %w", path, i+1, err)
		}
		if _, twice := listed[name]; twice {
			return nil, nil, fmt.Errorf("users_file: %s:%d: the user %s is there twice", path, i+1, name)
		}
		if listed[name] = password; len(listed) > maxUsers {
			return nil, nil, fmt.Errorf("users_file: %s has more than %d users", path, maxUsers)
		}
	}
	for user, line := range lines {
		if listed[user] == "" {
			return nil, nil, fmt.Errorf("users_file: %s:%d: there is no user %s in the file", path, line, clip(user))
		}
	}
	return listed, allowed, nil
}

// checkUser tells what is wrong with a line, and nothing of a password.
func checkUser(name, password string, ok bool) error {
	switch {
	case !ok:
		return errors.New("there is no colon; write NAME:PASSWORD, or NAME:env:VARIABLE, or NAME:file:PATH")
	case name == "" || len(name) > maxUserName || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }):
		return fmt.Errorf("the name of a user has 1 to %d bytes of text without blanks", maxUserName)
	case password == "" || strings.ContainsRune(password, 0):
		return fmt.Errorf("the user %s has no password", name)
	}
	return nil
}

// readPrivate reads a file that nobody but its owner may read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case info.Mode()&0o077 != 0:
		return nil, fmt.Errorf("others may read %s (%v), and it holds passwords; chmod 600 it", path, info.Mode().Perm()&fs.ModePerm)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	if err == nil && len(text) > maxUsersFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxUsersFile)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), err
}

// reveal gives a password, or what the place that is named instead holds.
func reveal(where string) (string, error) {
	if name, ok := strings.CutPrefix(where, "env:"); ok {
		if v := os.Getenv(name); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment has no %s", name)
	}
	path, ok := strings.CutPrefix(where, "file:")
	if !ok {
		return where, nil
	}
	text, err := readPrivate(path)
	if err != nil {
		return "", err
	}
	if v := strings.TrimRight(string(text), "\r\n"); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("%s is empty", path)
}
