package airflow

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// The files of a vault. The first has the name, the place and the form that Airflow's simple auth manager uses.
const (
	passwordsFile = "simple_auth_manager_passwords.json.generated"
	usersFile     = "users.json"
	secretFile    = "jwt_secret"
)

// The roles of Airflow's simple auth manager. A viewer reads; the others also write.
var roles = []string{"Admin", "Op", "User", "Viewer"}

// User is one who may log in.
type User struct {
	Name      string `json:"username"`
	Role      string `json:"role"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`

	// stamp changes with the password and the role. A token that was given at a login holds it, and ends when it is no longer
	// that of its user.
	stamp string
}

// ErrUser is the error of a user that cannot be added.
var ErrUser = errors.New("not added")

// Vault keeps the users with their passwords, and the key of the tokens, in a folder. Commands and the running service use the same
// one, so passwords are read at each login.
type Vault struct {
	dir    string
	mu     sync.Mutex // of writing the files
	secret []byte
}

// OpenVault opens the vault in a folder and makes what is missing: the key, and the user admin with a random password.
func OpenVault(dir string) (*Vault, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("airflow: %w", err)
	}
	v := &Vault{dir: dir}
	if err := v.readSecret(); errors.Is(err, fs.ErrNotExist) {
		if err := createPrivate(v.path(secretFile), []byte(random(48)+"\n")); err != nil {
			return nil, err
		}
		if err := v.readSecret(); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	passwords, err := v.passwords()
	if err != nil {
		return nil, err
	}
	if len(passwords) == 0 {
		if err := v.AddUser(User{Name: "admin", Role: "Admin"}, random(18)); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// ReadVault opens a vault for signing alone; it makes nothing.
func ReadVault(dir string) (*Vault, error) {
	v := &Vault{dir: dir}
	return v, v.readSecret()
}

func (v *Vault) path(name string) string { return filepath.Join(v.dir, name) }

// PasswordsPath is the file with the generated passwords.
func (v *Vault) PasswordsPath() string { return v.path(passwordsFile) }

func (v *Vault) readSecret() error {
	data, err := os.ReadFile(v.path(secretFile))
	if err != nil {
		return fmt.Errorf("airflow: key of the tokens: %w", err)
	}
	text := strings.TrimSpace(string(data))
	if len(text) < 32 {
		return fmt.Errorf("airflow: %s holds less than 32 characters; remove it, and a new key is made", v.path(secretFile))
	}
	v.secret = []byte(text)
	return nil
}

func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// createPrivate makes a file unless somebody was first.
func createPrivate(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("airflow: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("airflow: %w", err)
	}
	return nil
}

// readJSON reads a file of the vault into v; a missing one changes nothing.
func (v *Vault) readJSON(name string, into any) error {
	data, err := os.ReadFile(v.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("airflow: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("airflow: %s is damaged: %w; remove it, and a new one is made", v.path(name), err)
	}
	return nil
}

func (v *Vault) writeJSON(name string, what any) error {
	data, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("airflow: %w", err)
	}
	if err := atomicfile.WritePrivate(v.path(name), append(data, '\n')); err != nil {
		return fmt.Errorf("airflow: %w", err)
	}
	return nil
}

func (v *Vault) passwords() (map[string]string, error) {
	p := map[string]string{}
	return p, v.readJSON(passwordsFile, &p)
}

// Users lists who may log in, by name.
func (v *Vault) Users() ([]User, error) {
	passwords, err := v.passwords()
	if err != nil {
		return nil, err
	}
	known := map[string]User{}
	if err := v.readJSON(usersFile, &known); err != nil {
		return nil, err
	}
	var out []User
	for _, name := range slices.Sorted(maps.Keys(passwords)) {
		u := known[name]
		u.Name = name
		if u.Role == "" {
			u.Role = "Admin" // a line that somebody wrote into the passwords by hand
		}
		u.stamp = hex.EncodeToString(seal(v.secret, strings.Join([]string{"user", name, u.Role, passwords[name]}, "\x00"))[:16])
		out = append(out, u)
	}
	return out, nil
}

// AddUser adds a user or gives it another password and role.
func (v *Vault) AddUser(u User, password string) error {
	role := slices.IndexFunc(roles, func(r string) bool { return strings.EqualFold(r, u.Role) })
	switch {
	case u.Name == "" || password == "":
		return fmt.Errorf("%w: a user needs a name and a password", ErrUser)
	case role < 0:
		return fmt.Errorf("%w: %q is no role; choose one of %s", ErrUser, u.Role, strings.Join(roles, ", "))
	}
	u.Role = roles[role]
	v.mu.Lock()
	defer v.mu.Unlock()
	passwords, err := v.passwords()
	if err != nil {
		return err
	}
	users := map[string]User{}
	if err := v.readJSON(usersFile, &users); err != nil {
		return err
	}
	passwords[u.Name], users[u.Name] = password, u
	if err := v.writeJSON(usersFile, users); err != nil { // first: who has a password has the role that was meant
		return err
	}
	return v.writeJSON(passwordsFile, passwords)
}

// check tells whether a password is the one of a user. It takes as long for users that do not exist.
func (v *Vault) check(name, password string) (User, bool, error) {
	u, _, err := v.user(name)
	if err != nil {
		return User{}, false, err
	}
	passwords, err := v.passwords()
	if err != nil {
		return User{}, false, err
	}
	want, exists := passwords[name]
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 || !exists || want == "" {
		return User{}, false, nil
	}
	return u, u.Name == name, nil
}

// user finds a user by name.
func (v *Vault) user(name string) (User, bool, error) {
	users, err := v.Users()
	i := slices.IndexFunc(users, func(u User) bool { return u.Name == name })
	if err != nil || i < 0 {
		return User{}, false, err
	}
	return users[i], true, nil
}

// Token makes a token for a user that is valid for d from now on; via is cli, rest_api or ui. For a user of the vault it ends before when
// the user is removed or changed.
func (v *Vault) Token(u User, via string, now time.Time, d time.Duration) string {
	return sign(v.secret, claims{Subject: u.Name, Role: u.Role, Via: via, Stamp: u.stamp, Issued: now.Unix(), NotYet: now.Unix(), Expires: now.Add(d).Unix(), Audience: audience})
}
