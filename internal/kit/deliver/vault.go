package deliver

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/secret"
)

// Vault reads secrets for somebody who may name them and shall not see anything else of this process: only the variables and the folder
// that the operator has set apart for that.
type Vault struct {
	Names  []string // of variables, with * for any characters
	Folder string   // of files; "" = none
}

// Check tells why the vault does not give file:PATH or env:NAME. It looks at the name alone, so that nobody learns by it what is there.
func (v *Vault) Check(where string) error {
	if name, ok := strings.CutPrefix(where, "env:"); ok {
		for _, pattern := range v.Names {
			if fits, err := path.Match(pattern, name); err == nil && fits {
				return nil
			}
		}
		return fmt.Errorf("the variable %.80q is not set apart for notifications, as those are that fit %s (HXP_NOTIFICATION_SECRET_NAMES)", name, strings.Join(v.Names, ", "))
	}
	file, ok := strings.CutPrefix(where, "file:")
	switch {
	case !ok:
		return errors.New("say where the secret is, env:NAME or file:PATH, rather than what it is")
	case v.Folder == "":
		return fmt.Errorf("the file %.120q is not set apart for notifications; name the folder of their secrets in HXP_NOTIFICATION_SECRET_FOLDER", file)
	}
	if _, ok := v.below(file); !ok {
		return fmt.Errorf("the file %.120q does not lie in %s, the folder of the secrets of notifications (HXP_NOTIFICATION_SECRET_FOLDER)", file, v.Folder)
	}
	return nil
}

// below is the path of a file within the folder.
func (v *Vault) below(file string) (rel string, ok bool) {
	rel, err := filepath.Rel(v.Folder, filepath.Clean(file))
	return rel, err == nil && filepath.IsLocal(rel) && rel != "."
}

// Read gets a secret. No error holds it.
func (v *Vault) Read(where string) (string, error) {
	if where == "" {
		return "", nil
	}
	if err := v.Check(where); err != nil {
		return "", err
	}
	file, ok := strings.CutPrefix(where, "file:")
	if !ok {
		return secret.Read(where)
	}
	rel, _ := v.below(file)            // checked
	root, err := os.OpenRoot(v.Folder) // no link leads out of it
	if err != nil {
		return "", err
	}
	defer root.Close()
	info, err := root.Stat(rel)
	if err == nil {
		err = secret.Regular(info, file)
	}
	if err != nil {
		return "", err
	}
	f, err := root.Open(rel)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return secret.In(f, file)
}
