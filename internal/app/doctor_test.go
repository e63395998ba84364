package app

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/app/doctor"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// findings are the checks of a configuration beside those of the machine that tests run on.
func findings(t *testing.T, services []string, dir string, env ...string) ([]Finding, bool) {
	t.Helper()
	environ := slices.Concat(freePorts(), []string{"KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0", "HXP_DATA_DIR=" + filepath.Join(t.TempDir(), "data")}, env)
	return Doctor(t.Context(), LoadOptions{ConfigDir: dir, Environ: environ}, services)
}

func failing(found []Finding) (names []string) {
	for _, f := range found {
		if f.Status == doctor.Fail {
			names = append(names, f.Name+": "+f.Detail)
		}
	}
	return names
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	found, _ := findings(t, nil, none(t))
	var names []string
	for _, f := range found {
		names = append(names, f.Name)
		if f.Status == doctor.Fail && !strings.HasPrefix(f.Name, "disk") { // that is the machine's
			t.Errorf("%+v", f)
		}
	}
	for _, want := range []string{"configuration", "data folder", "open files", "port of kafka-api", "port of broker", "port of system", "broker", "database"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s was not looked at: %v", want, names)
		}
	}
}

// Every fault is told with its cure, and no secret with it.
func TestDoctorFindsFaults(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	closed := func() string { // an address at which nobody listens
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}()
	rubbish := filepath.Join(t.TempDir(), "rubbish")
	if err := os.WriteFile(rubbish, []byte("pl4nted"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		services []string
		files    map[string]string
		env      []string
		says     []string
	}{
		"port taken":           {env: []string{fmt.Sprintf("KAFKA_API_PORT=%d", port)}, says: []string{fmt.Sprint(port), "KAFKA_API_PORT"}},
		"broker unreachable":   {services: []string{KafkaAPI}, env: []string{"KAFKA_BOOTSTRAP_SERVERS=" + closed}, says: []string{closed}},
		"database unreachable": {env: []string{"SQL_DATABASE_URL=postgres://u:pl4nted@" + closed + "/n"}, says: []string{closed, "postgres://u:***@"}},
		"bad configuration":    {files: map[string]string{"kafka-api": "service:\n  prot: 9099\n"}, says: []string{"kafka-api.yaml", "prot"}},
		"secret missing":       {env: []string{"SQL_DATABASE_PASSWORD=file:/no/such/file", "SQL_DATABASE_ENDPOINT=" + closed}, says: []string{"SQL_DATABASE_PASSWORD", "/no/such/file"}},
		"no certificate":       {env: []string{"HXP_TLS_CERT_FILE=/no/such.pem", "HXP_TLS_KEY_FILE=/no/such.key"}, says: []string{"/no/such.pem", "HXP_TLS_KEY_FILE"}},
		"no authorities":       {env: []string{"HXP_TLS_CA_FILE=" + rubbish}, says: []string{rubbish, "HXP_TLS_CA_FILE"}},
		"no file of tokens":    {env: []string{"HXP_AUTH_TOKENS_FILE=" + rubbish}, says: []string{rubbish, "HXP_AUTH_TOKENS_FILE"}},
		"users in plain sight": {env: []string{"KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM=PLAIN", "KAFKA_SASL_USERNAME=u", "KAFKA_SASL_PASSWORD=pl4nted", "HXP_BROKER_USERS_FILE=" + rubbish}, says: []string{"chmod 600", "HXP_BROKER_USERS_FILE"}},
		"mail server away":     {env: []string{"SMTP_HOST=127.0.0.1", "SMTP_FROM=a@example.org", "SMTP_TLS=none", "SMTP_PORT=" + closed[strings.LastIndex(closed, ":")+1:]}, says: []string{"SMTP_HOST"}},
		"not one of ours":      {services: []string{Broker}, env: []string{"HXP_BROKER=external"}, says: []string{"embedded broker"}},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			found, failed := findings(t, c.services, configDir(t, c.files), c.env...)
			if !failed || len(failing(found)) == 0 {
				t.Fatalf("nothing fails: %+v", found)
			}
			t.Logf("after %s: %v", time.Since(began), failing(found))
			text := fmt.Sprint(found)
			for _, s := range c.says {
				if !slices.ContainsFunc(found, func(f Finding) bool {
					return f.Status == doctor.Fail && strings.Contains(f.Detail+f.Cure, s)
				}) {
					t.Errorf("no failure tells of %q: %v", s, failing(found))
				}
			}
			if strings.Contains(text, "pl4nted") {
				t.Errorf("a password is shown: %s", text)
			}
			for _, f := range found {
				if (f.Status == doctor.OK) != (f.Cure == "") {
					t.Errorf("cure of %+v", f)
				}
			}
		})
	}
}

// A token that is over lets nobody in.
func TestDoctorCountsTokens(t *testing.T) {
	file := auth.File{Path: filepath.Join(t.TempDir(), "tokens"), Now: func() time.Time { return time.Now().Add(-48 * time.Hour) }}
	look := func() doctor.KeysRead {
		t.Helper()
		r, err := (&settings{tokensFile: file.Path}).keys(nil)[0].Read()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, life := range []time.Duration{24 * time.Hour, 0} {
		if r := look(); r.Lacks == "" {
			t.Errorf("nobody can come in, and it says %+v", r)
		}
		if _, _, err := file.Create(fmt.Sprint(life), auth.Of(httpx.Admin), "", life); err != nil {
			t.Fatal(err)
		}
	}
	if r := look(); r.Lacks != "" || r.Detail != "1 may come in" {
		t.Errorf("%+v", r)
	}
}
