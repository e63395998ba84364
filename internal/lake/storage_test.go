package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/hxp-enterprise/hxp/internal/event"
)

var prefixes atomic.Int64

// openRemote opens a lake of its own at the S3 server that HXP_TEST_S3 names (its keys are in the environment as always), or skips.
func openRemote(t *testing.T) *Lake {
	t.Helper()
	endpoint := os.Getenv("HXP_TEST_S3")
	if endpoint == "" {
		t.Skip("HXP_TEST_S3 names no server")
	}
	cfg := Config{URL: fmt.Sprintf("s3://hxp-test/%s/%d", time.Now().UTC().Format("150405.000"), prefixes.Add(1)),
		S3: S3{Endpoint: endpoint, Region: "us-east-1", AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}}
	l, err := OpenURL(t.Context(), cfg, t.TempDir())
	if missing := "there is no bucket"; err != nil && strings.Contains(err.Error(), missing) {
		place, parseErr := parseS3(cfg.URL, cfg.S3)
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		makeBucket(t, place, cfg.S3)
		l, err = OpenURL(t.Context(), cfg, t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func makeBucket(t *testing.T, p s3Place, cfg S3) {
	t.Helper()
	client, err := p.client(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.MakeBucket(t.Context(), p.bucket, minio.MakeBucketOptions{}); err != nil && minio.ToErrorResponse(err).Code != "BucketAlreadyOwnedByYou" {
		t.Fatal(err)
	}
}

func stageBytes(t *testing.T, l *Lake, name string, data []byte) staged {
	t.Helper()
	s := staged{local: l.stagedPath(name), name: name, bytes: int64(len(data))}
	sum := sha256.Sum256(data)
	s.sha256 = hex.EncodeToString(sum[:])
	if err := os.WriteFile(s.local, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// Every storage keeps the same promises.
func TestStorage(t *testing.T) {
	t.Run("folder", func(t *testing.T) { testStorage(t, openTest(t)) })
	t.Run("S3", func(t *testing.T) { testStorage(t, openRemote(t)) })
}

func testStorage(t *testing.T, l *Lake) {
	ctx, s := t.Context(), l.storage
	large := make([]byte, s3Part+1<<20) // in parts, where there are such
	rand.NewChaCha8([32]byte{1}).Read(large)
	names := []string{"a/dt=2024-01-01/hour=10/one.parquet", "a/dt=2024-01-01/hour=9/two.parquet", "a/dt=2024-01-02/hour=0/large.parquet", "b/dt=2024-01-01/hour=0/empty.parquet"}
	contents := [][]byte{[]byte("one"), []byte("two"), large, {}}
	var files []staged
	for i, name := range names {
		files = append(files, stageBytes(t, l, name, contents[i]))
	}
	if err := s.place(ctx, files); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if _, err := os.Stat(files[i].local); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays in the staging folder", name)
		}
		o, err := s.open(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
		if err != nil || !bytes.Equal(got, contents[i]) {
			t.Errorf("%s has %d bytes, not %d (%v)", name, len(got), len(contents[i]), err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	var listed []string
	list := func(dir string) []string {
		listed = nil
		err := s.walk(ctx, dir, func(e entry) error {
			if since := time.Since(e.modified); since > time.Hour || since < -time.Hour {
				t.Errorf("%s was changed %s ago", e.name, since)
			}
			listed = append(listed, e.name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return listed
	}
	if got := list("a"); !slices.Equal(got, names[:3]) {
		t.Fatalf("%v", got)
	}
	if got := list("nowhere"); len(got) != 0 {
		t.Fatalf("%v", got)
	}
	stop := errors.New("enough")
	if err := s.walk(ctx, "a", func(entry) error { return stop }); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	for range 2 { // removing what is gone is no error
		if err := s.remove(ctx, names[0]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.open(ctx, names[0]); !errors.Is(err, ErrMissing) {
		t.Fatal(err)
	}
	if got := list("a"); !slices.Equal(got, names[1:3]) {
		t.Fatalf("%v", got)
	}
	if left, err := os.ReadDir(l.stage); err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
}

// On S3 a file that is there already is not overwritten, and one that differs from what was sent is noticed.
func TestS3DoesNotOverwrite(t *testing.T) {
	l := openRemote(t)
	name := "a/dt=2024-01-01/hour=1/x.parquet"
	if err := l.storage.place(t.Context(), []staged{stageBytes(t, l, name, []byte("first"))}); err != nil {
		t.Fatal(err)
	}
	if err := l.storage.place(t.Context(), []staged{stageBytes(t, l, name, []byte("first"))}); err != nil {
		t.Fatal("the same once more, as after an answer that was lost: ", err)
	}
	if err := l.storage.place(t.Context(), []staged{stageBytes(t, l, name, []byte("other"))}); err == nil {
		t.Fatal("another object was overwritten")
	}
	o, err := l.storage.open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if got, _ := io.ReadAll(io.NewSectionReader(o, 0, o.Size())); string(got) != "first" {
		t.Fatalf("%q", got)
	}
}

// The whole life of files on S3: published, read, verified, compacted, exported, swept.
func TestLakeOnS3(t *testing.T) {
	l, m := openRemote(t), newMemory()
	m.InitPosition(t.Context(), testTP, 0)
	p := newPublisher(l, m, slog.New(slog.DiscardHandler), newMetrics(nil))
	publishRange(t, p, 0, 60)
	holds(t, l, m, 60)
	done, err := l.Compact(t.Context(), m, CompactOptions{Budget: 1 << 20})
	if err != nil || len(done) < 2 {
		t.Fatal(done, err)
	}
	holds(t, l, liveOnly(m), 60)
	if checked, bad, err := l.Verify(t.Context(), m, nil); err != nil || len(bad) > 0 || checked != len(m.files) {
		t.Fatal(checked, bad, err)
	}
	var out bytes.Buffer
	if sum, err := l.Export(t.Context(), m, ExportOptions{Format: FormatNDJSON, Out: &out, Budget: 1 << 20}); err != nil || sum.Rows != 54 {
		t.Fatal(sum, err)
	}

	// A writer that is killed leaves an orphan; it goes with what was superseded, and nothing else does.
	p.point = func(step string) error {
		if step == "move" {
			return errKill
		}
		return nil
	}
	if _, err := p.publish(t.Context(), []*claim{claimOf(testTP, 60, 70)}); !errors.Is(err, errKill) {
		t.Fatal(err)
	}
	if n, err := l.sweepSuperseded(t.Context(), m, -time.Hour, slog.New(slog.DiscardHandler)); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	if n, err := l.sweep(t.Context(), m, -time.Hour); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	left := 0
	for _, k := range event.Kinds {
		if err := l.storage.walk(t.Context(), k.Topic(), func(entry) error { left++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if left != len(m.files) {
		t.Fatalf("%d objects, %d files in the manifest", left, len(m.files))
	}
	holds(t, l, m, 60)
	if err := l.storage.remove(t.Context(), m.files[0].Path); err != nil {
		t.Fatal(err)
	}
	if _, bad, err := l.Verify(t.Context(), m, nil); err != nil || len(bad) != 1 || bad[0].Path != m.files[0].Path {
		t.Fatal(bad, err)
	}
}

func TestURLs(t *testing.T) {
	data := t.TempDir()
	for url, want := range map[string]string{"": filepath.Join(data, "lake"), "/x/y": "/x/y", "file:///x": "/x", "s3://b/p": filepath.Join(data, "lake"), "s3://b": filepath.Join(data, "lake")} {
		if got, err := (Config{URL: url}).LocalDir(data); err != nil || got != want {
			t.Errorf("%q: %q %v", url, got, err)
		}
	}
	for _, c := range []Config{{URL: "gs://b"}, {URL: "s3://"}, {URL: "s3:///p"}, {URL: "s3://k:s@b/p"}, {URL: "s3://b/p?x=1"}, {URL: "s3://b", S3: S3{Endpoint: "minio:9000"}},
		{URL: "s3://b", S3: S3{Endpoint: "http://h/path"}}, {URL: "s3://b", S3: S3{AccessKey: "a"}}, {URL: "s3://b", S3: S3{SecretKey: "a"}}} {
		if _, err := c.LocalDir(data); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	for _, c := range []struct{ url, prefix, text string }{{"s3://b", "", "s3://b"}, {"s3://b/", "", "s3://b"}, {"s3://b/p/q/", "p/q/", "s3://b/p/q"}} {
		if p, err := parseS3(c.url, S3{}); err != nil || p.prefix != c.prefix || p.String() != c.text {
			t.Errorf("%s: %+v %v", c.url, p, err)
		}
	}
}

// To HEAD some servers say of a key that they do not know what they say of a bucket that is not there; the list of objects tells which it is.
func TestS3WithoutABucketOrKey(t *testing.T) {
	for code, says := range map[string][]string{
		"NoSuchBucket":     {"there is no bucket hxp-lake", "name another in HXP_LAKE_URL"},
		"XAdminNoSuchUser": {"no user", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that the server knows"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			if r.Method == http.MethodGet {
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no user</Message></Error>", code)
			}
		}))
		_, err := OpenURL(t.Context(), Config{URL: "s3://hxp-lake/p", S3: S3{Endpoint: server.URL, Region: "us-east-1", AccessKey: "a", SecretKey: "b"}}, t.TempDir())
		server.Close()
		for _, words := range says {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %v, want %q", code, err, words)
			}
		}
	}
}

// A server that does not answer, and keys that are wrong, are told in a sentence that helps.
func TestS3Refuses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := OpenURL(ctx, Config{URL: "s3://b/p", S3: S3{Endpoint: "http://127.0.0.1:1", AccessKey: "a", SecretKey: "very-secret"}}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "HXP_LAKE_S3_ENDPOINT") || strings.Contains(err.Error(), "very-secret") {
		t.Fatal(err)
	}
}
