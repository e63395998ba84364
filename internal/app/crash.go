package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// crashLog holds why processes of a data folder ended by a fault of the program; hxp doctor reads it.
func crashLog(dataDir string) string { return filepath.Join(dataDir, "crash.log") }

// mostCrashes bounds the file: a program that fails at each start is started anew for ever.
const mostCrashes = 1 << 20

// noteCrashes has the runtime write what it says of a fault into the crash log too, beside standard error. What it returns notes a panic that
// ended the services in an orderly way, and is called when they have ended.
func noteCrashes(dataDir string, log *slog.Logger) (ended func(error)) {
	path := crashLog(dataDir)
	if info, err := os.Stat(path); err == nil && info.Size() > mostCrashes {
		_ = os.Remove(path) // what it says now is what it said before
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		err = debug.SetCrashOutput(f, debug.CrashOptions{}) // it has its own handle then
	}
	if err != nil {
		log.Warn("a crash would not be noted in the data folder", "error", err)
	}
	return func(err error) {
		if p, ok := errors.AsType[*run.PanicError](err); ok && f != nil {
			_, _ = fmt.Fprintf(f, "%v\n\n", p) // it is logged as well
		}
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
		_ = f.Close()
	}
}
