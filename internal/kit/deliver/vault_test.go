package deliver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever names secrets gets those that are set apart, and learns nothing of anything else, not even whether it is there.
func TestVault(t *testing.T) {
	outside, folder := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "key"), "not for you")
	write(filepath.Join(folder, "hook"), "sesame\n")
	write(filepath.Join(folder, "large"), strings.Repeat("x", 4096+1))
	if err := os.MkdirAll(filepath.Join(folder, "..2026"), 0o700); err != nil { // as Kubernetes mounts secrets
		t.Fatal(err)
	}
	write(filepath.Join(folder, "..2026", "token"), "mounted")
	for link, to := range map[string]string{"token": filepath.Join("..2026", "token"), "out": filepath.Join(outside, "key"), "up": filepath.Join("..", filepath.Base(outside), "key")} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HXP_NOTIFY_SLACK", "from the environment")
	t.Setenv("SQL_DATABASE_PASSWORD", "not for you")
	v := &Vault{Names: []string{"HXP_NOTIFY_*", "*_HOOK_SECRET"}, Folder: folder}
	for where, want := range map[string]string{"": "", "env:HXP_NOTIFY_SLACK": "from the environment", "file:" + folder + "/hook": "sesame", "file:" + folder + "/token": "mounted", "file:" + folder + "/./x/../hook": "sesame"} {
		if got, err := v.Read(where); err != nil || got != want {
			t.Errorf("%s: %q, %v", where, got, err)
		}
	}
	for _, where := range []string{"env:SQL_DATABASE_PASSWORD", "env:NO_SUCH", "env:XHXP_NOTIFY_SLACK", "env:", "file:" + outside + "/key", "file:" + folder, "file:" + folder + "/../" + filepath.Base(outside) + "/key", "file:" + folder + "x/key", "file:hook", "file:/proc/self/environ", "sesame"} {
		if err := v.Check(where); err == nil {
			t.Errorf("%s passes the check", where)
		}
		if got, err := v.Read(where); err == nil || got != "" {
			t.Errorf("%s: %q, %v", where, got, err)
		}
	}
	for _, name := range []string{"out", "up", "large", "none", "..2026"} {
		if got, err := v.Read("file:" + folder + "/" + name); err == nil || got != "" || strings.Contains(err.Error(), "not for you") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	there, absent := v.Check("env:SQL_DATABASE_PASSWORD"), v.Check("env:SQL_DATABASE_PASSWORX")
	if strings.ReplaceAll(there.Error(), "PASSWORD", "PASSWORX") != absent.Error() {
		t.Errorf("one hears what is there: %v, %v", there, absent)
	}
	if err := (&Vault{}).Check("file:/run/secrets/x"); err == nil || !strings.Contains(err.Error(), "HXP_NOTIFICATION_SECRET_FOLDER") {
		t.Error(err)
	}
}
