package bus

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What the library says again and again is said every ten seconds, with how often it was said in between.
func TestChatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var c chatter
		l := libraryLog{slog.New(slog.NewTextHandler(&out, nil)), &c}
		l.Log(kgo.LogLevelWarn, "before the first answer")
		c.heard.Store(true)
		for range 25 { // one a second
			l.Log(kgo.LogLevelWarn, "no way", "broker", 1)
			l.Log(kgo.LogLevelInfo, "news")
			time.Sleep(time.Second)
		}
		l.Log(kgo.LogLevelError, "another")
		var got []string
		for line := range strings.Lines(out.String()) {
			_, text, _ := strings.Cut(line, "msg=")
			got = append(got, strings.TrimSpace(text))
		}
		want := []string{`"kafka client: no way" broker=1`, `"kafka client: no way" broker=1 unlogged=9`, `"kafka client: no way" broker=1 unlogged=9`, `"kafka client: another"`}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
