package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/app/doctor"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// A crash is noted in the data folder, whether the runtime ended the process or a panic ended the services, and the doctor tells of it.
func TestCrashIsNoted(t *testing.T) {
	if dir := os.Getenv("HXP_TEST_CRASH_IN"); dir != "" { // the process that crashes
		noteCrashes(dir, slog.Default())
		go func() { panic("for the crash log") }()
		select {}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestCrashIsNoted$")
	cmd.Env = append(os.Environ(), "HXP_TEST_CRASH_IN="+dir)
	if err := cmd.Run(); err == nil {
		t.Fatal("it does not crash")
	}
	told := func(want string) {
		t.Helper()
		found, _ := Doctor(t.Context(), LoadOptions{ConfigDir: none(t), Environ: append(freePorts(), "HXP_DATA_DIR="+dir, "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0")}, nil)
		for _, f := range found {
			if f.Name == "last crash" && f.Status == doctor.Warn && strings.Contains(f.Detail, want) && strings.Contains(f.Cure, crashLog(dir)) {
				return
			}
		}
		t.Errorf("nobody tells of %q: %+v", want, found)
	}
	told("panic: for the crash log")

	noteCrashes(dir, slog.Default())(fmt.Errorf("stream: %w", &run.PanicError{Value: "caught", Stack: []byte("goroutine 7 [running]:")}))
	told("panic: caught")
	before, err := os.ReadFile(crashLog(dir))
	if err != nil {
		t.Fatal(err)
	}
	noteCrashes(dir, slog.Default())(errors.New("the port is taken"))
	if after, err := os.ReadFile(crashLog(dir)); err != nil || string(after) != string(before) {
		t.Errorf("an error is no crash: %v", err)
	}
}
