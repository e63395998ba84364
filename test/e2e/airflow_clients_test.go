package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestRealAirflowClients lets Apache Airflow's own Python client and airflowctl work on our scheduler: list, pause, trigger, wait, log, clear,
// backfill. The script knows what a real Airflow answers.
func TestRealAirflowClients(t *testing.T) {
	venv := need(t, "HXP_REAL_AIRFLOW_CLIENTS", "Apache Airflow's own clients")
	h := start(t, "127.0.0.1:0")
	hour := time.Date(2025, 6, 3, 10, 0, 0, 0, time.UTC)
	rs := generate(80, 300, "clients", hour)
	h.send(t, rs)
	data, err := os.ReadFile(filepath.Join(h.dir, "data", "airflow", "simple_auth_manager_passwords.json.generated"))
	if err != nil {
		t.Fatal(err)
	}
	var passwords map[string]string
	if err := json.Unmarshal(data, &passwords); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/airflow_clients.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(venv, "bin", "python"), script, h.url("scheduler"), "admin", passwords["admin"], filepath.Join(venv, "bin", "airflowctl"), stamp(hour))
	// airflowctl keeps what it knows of a server in files below its home, and the token in a keyring that is switched off here.
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all, models := h.rows(t, hour)
	same(t, "the hour that the clients ran", all, models, rs)
}
