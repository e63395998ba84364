package bundle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hxp-enterprise/hxp/internal/kit/bundle"
)

const kind = "test"

var head = bundle.Head{Kind: kind, Program: "v1", Created: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}

// made is a bundle of files.
func made(t testing.TB, files ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.tar.zst")
	w, err := bundle.Create(path, head)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		if err := w.Text(t.Context(), name, []byte(strings.Repeat(name, 1000*i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	return path
}

type kept struct {
	bytes.Buffer
	into map[string]string
	name string
}

func (k *kept) Close() error {
	k.into[k.name] = k.String()
	return nil
}

func extract(data []byte) (map[string]string, *bundle.Index, error) {
	got := map[string]string{}
	index, err := bundle.Extract(context.Background(), bytes.NewReader(data), kind, func(m bundle.Member) (io.WriteCloser, error) {
		return &kept{into: got, name: m.Name}, nil
	})
	return got, index, err
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatWentInComesOut(t *testing.T) {
	path := made(t, "a", "folder/b", "folder/deeper/c")
	got, index, err := extract(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "a", "folder/b": strings.Repeat("folder/b", 1001), "folder/deeper/c": strings.Repeat("folder/deeper/c", 2001)}
	if !maps.Equal(got, want) {
		t.Errorf("got %d files, want %d", len(got), len(want))
	}
	if index.Program != "v1" || index.Note["a"] != "b" || index.Bytes() != int64(1+8*1001+15*2001) {
		t.Errorf("index %+v", index.Head)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: keys may lie in it", info.Mode(), err)
	}
}

// Cut anywhere, or with any byte changed, a bundle is refused.
func TestDamage(t *testing.T) {
	data := read(t, made(t, "a", "b"))
	for n := 0; n < len(data); n++ {
		if _, _, err := extract(data[:n]); !errors.Is(err, bundle.ErrDamaged) {
			t.Fatalf("cut to %d of %d: %v", n, len(data), err)
		}
		changed := bytes.Clone(data)
		changed[n] ^= 0x10
		got, _, err := extract(changed)
		if err == nil && (got["a"] != "a" || got["b"] != strings.Repeat("b", 1001)) {
			t.Fatalf("byte %d changed: other content was taken", n)
		}
	}
}

// packed is a bundle by hand, to say what no Writer says.
func packed(t *testing.T, members ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(z)
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m[0], Size: int64(len(m[1])), Mode: 0o644}
		if m[1] == "->" {
			h = &tar.Header{Typeflag: tar.TypeSymlink, Name: m[0], Linkname: "/etc/passwd"}
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(tw, m[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRefused(t *testing.T) {
	says := func(h bundle.Head) string {
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	good := says(bundle.Head{Kind: kind, Format: bundle.Format, Program: "v1"})
	index := `{"kind":"test","format":1,"members":[]}`
	for name, c := range map[string]struct {
		members [][2]string
		want    error
		text    string
	}{
		"no head":            {[][2]string{{"a", "x"}}, bundle.ErrDamaged, "begin"},
		"another kind":       {[][2]string{{"bundle.json", says(bundle.Head{Kind: "other", Format: 1})}}, bundle.ErrDamaged, "other"},
		"a later format":     {[][2]string{{"bundle.json", says(bundle.Head{Kind: kind, Format: bundle.Format + 1, Program: "v9"})}, {"what/ever", "x"}}, bundle.ErrNewer, "v9"},
		"no format":          {[][2]string{{"bundle.json", says(bundle.Head{Kind: kind})}}, bundle.ErrDamaged, "format 0"},
		"no list":            {[][2]string{{"bundle.json", good}, {"a", "x"}}, bundle.ErrDamaged, "cut off"},
		"a file too many":    {[][2]string{{"bundle.json", good}, {"a", "x"}, {"index.json", index}}, bundle.ErrDamaged, "1 members came"},
		"another content":    {[][2]string{{"bundle.json", good}, {"a", "x"}, {"index.json", `{"kind":"test","format":1,"members":[{"name":"a","size":1,"mode":420,"sha256":"00"}]}`}}, bundle.ErrDamaged, "not as it was put in"},
		"something after":    {[][2]string{{"bundle.json", good}, {"index.json", index}, {"a", "x"}}, bundle.ErrDamaged, "after the list"},
		"a path upwards":     {[][2]string{{"bundle.json", good}, {"../a", "x"}}, bundle.ErrDamaged, "no name"},
		"a path of the root": {[][2]string{{"bundle.json", good}, {"/etc/x", "x"}}, bundle.ErrDamaged, "no name"},
		"a link":             {[][2]string{{"bundle.json", good}, {"a", "->"}}, bundle.ErrDamaged, "no file"},
		"a name twice":       {[][2]string{{"bundle.json", good}, {"a", "x"}, {"a", "y"}}, bundle.ErrDamaged, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := extract(packed(t, c.members...)); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %q", err, c.text)
			}
		})
	}
}

// A bundle that is not finished leaves nothing, and what was there stays.
func TestUnfinished(t *testing.T) {
	path := made(t, "a")
	was := read(t, path)
	w, err := bundle.Create(path, head)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Text(ctx, "b", make([]byte, 1<<20)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	w.Abort()
	if !bytes.Equal(read(t, path), was) {
		t.Error("the file that was there has changed")
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	if w, err = bundle.Create(path, head); err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for name, err := range map[string]error{
		"shorter": w.Add(t.Context(), "c", 10, 0o644, strings.NewReader("short")),
		"upwards": w.Text(t.Context(), "../c", nil),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What a killed process left beside is removed by the next one.
func TestLeftovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b[1].tar.zst")
	left := filepath.Join(filepath.Dir(path), ".b[1].tar.zst.tmp-77")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := bundle.Create(path, head)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}

func FuzzExtract(f *testing.F) {
	data := read(f, made(f, "a", "b/c"))
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		got, index, err := extract(data)
		if (err == nil) != (index != nil) {
			t.Fatalf("index %v, error %v", index, err)
		}
		if err == nil && len(index.Members) != len(got) {
			t.Fatalf("%d members, %d files", len(index.Members), len(got))
		}
	})
}
