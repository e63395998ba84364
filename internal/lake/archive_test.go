package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// openArchive opens an archive of its own, in a folder or at the S3 server that HXP_TEST_S3 names.
func openArchive(t *testing.T, remote bool) *Archive {
	t.Helper()
	url, cfg := filepath.Join(t.TempDir(), "archive"), S3{}
	if remote {
		openRemote(t) // makes the bucket, or skips
		cfg = S3{Endpoint: os.Getenv("HXP_TEST_S3"), Region: "us-east-1", AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}
		url = fmt.Sprintf("s3://hxp-test/archive/%s/%d", time.Now().UTC().Format("150405.000"), prefixes.Add(1))
	}
	a, err := OpenArchive(t.Context(), url, cfg, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestArchive(t *testing.T) {
	t.Run("folder", func(t *testing.T) { testArchive(t, openArchive(t, false)) })
	t.Run("S3", func(t *testing.T) { testArchive(t, openArchive(t, true)) })
}

func entryOf(name, text string) event.ArchiveEntry {
	sum := sha256.Sum256([]byte(text))
	return event.ArchiveEntry{Path: name, Class: event.ClassRaw, Period: "2026-03-01T10:00:00Z", Bytes: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Rows: 1, PlanID: "p"}
}

func opening(text string) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

// testArchive holds an archive to its promises, wherever it is.
func testArchive(t *testing.T, a *Archive) {
	ctx := t.Context()
	verify := func(entries, bad int) []event.ArchiveFault {
		t.Helper()
		got, faults, err := a.Verify(ctx)
		if err != nil || len(got) != entries || len(faults) != bad {
			t.Fatalf("%d entries, %+v, %v; want %d and %d faults", len(got), faults, err, entries, bad)
		}
		return faults
	}
	verify(0, 0) // there is none yet

	one, two := entryOf("raw/dt=1/one.parquet", "one"), entryOf("raw/dt=1/two.parquet", "two")
	for _, e := range []struct {
		event.ArchiveEntry
		text string
	}{{one, "one"}, {two, "two"}, {one, "one"}} {
		if err := a.Put(ctx, e.ArchiveEntry, opening(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	unread := func(context.Context) (io.ReadCloser, error) { return nil, errors.New("it is there already") }
	if err := a.Put(ctx, one, unread); err != nil {
		t.Error("a copy that is there is made again:", err)
	}
	if err := a.Put(ctx, entryOf("raw/three", "three"), opening("other")); err == nil || !strings.Contains(err.Error(), "not the one that is known") {
		t.Error("a file that was changed becomes a copy:", err)
	}
	verify(0, 0) // named are they only now
	for range 2 {
		if err := a.Record(ctx, []event.ArchiveEntry{one, two}); err != nil {
			t.Fatal(err)
		}
	}
	verify(2, 0)
	f, err := a.Open(ctx, one.Path)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil || string(body) != "one" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := a.Open(ctx, "raw/nobody"); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}

	// Many who add at the same time make one chain.
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			text := fmt.Sprint("many-", i)
			e := entryOf("raw/"+text, text)
			if err := errors.Join(a.Put(ctx, e, opening(text)), a.Record(ctx, []event.ArchiveEntry{e})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	verify(7, 0)

	if err := a.storage.remove(ctx, two.Path); err != nil {
		t.Fatal(err)
	}
	if bad := verify(7, 1); bad[0].Path != two.Path || !strings.Contains(bad[0].Reason, "missing") {
		t.Errorf("%+v", bad)
	}
	if err := a.Put(ctx, two, opening("two")); err != nil {
		t.Fatal(err)
	}
	verify(7, 0)
	again := entryOf(one.Path, "one again") // a damaged copy is replaced by a good one; both lines stay
	if err := errors.Join(a.Put(ctx, again, opening("one again")), a.Record(ctx, []event.ArchiveEntry{again})); err != nil {
		t.Fatal(err)
	}
	verify(8, 0)
}

// A line that was not finished is taken away by whoever adds next; one that was changed is found.
func TestArchiveManifestIsAChain(t *testing.T) {
	a := openArchive(t, false)
	file := filepath.Join(a.String(), ArchiveManifest)
	for _, text := range []string{"one", "two", "three"} {
		e := entryOf("raw/"+text, text)
		if err := errors.Join(a.Put(t.Context(), e, opening(text)), a.Record(t.Context(), []event.ArchiveEntry{e})); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	faults := func(data []byte) []event.ArchiveFault {
		t.Helper()
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, bad, err := a.Verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return bad
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, c := range map[string]struct {
		data []byte
		line string
	}{
		"a changed line":   {bytes.Replace(whole, []byte(`"plan_id":"p"`), []byte(`"plan_id":"q"`), 1), ":2"},
		"a missing line":   {join(lines[0], lines[2]), ":2"},
		"lines swapped":    {join(lines[1], lines[0], lines[2]), ":1"},
		"no JSON":          {join(lines[0], []byte("what\n"), lines[2]), ":2"},
		"a line in halves": {whole[:len(whole)-10], ":3"},
	} {
		if bad := faults(c.data); len(bad) == 0 || !strings.HasSuffix(bad[0].Path, c.line) {
			t.Errorf("%s: %+v", name, bad)
		}
	}
	if bad := faults(join(lines[0], lines[1], lines[2][:40])); len(bad) != 1 {
		t.Fatalf("%+v", bad)
	}
	if err := a.Record(t.Context(), []event.ArchiveEntry{entryOf("raw/three", "three")}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestFirstName(t *testing.T) {
	const name = "t/dt=2026-03-01/hour=1/abc-0-1-2-xyz.parquet"
	back := renamed(name)
	if back == name || firstName(back) != name || firstName(name) != name {
		t.Error(back, firstName(back))
	}
	if again := renamed(back); again == back || firstName(again) != name {
		t.Error(again)
	}
	if !ours.MatchString(strings.TrimPrefix(back, "t/")) {
		t.Errorf("the sweep does not take %s for ours", back)
	}
}
