package app

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/bundle"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// at is the configuration of a data folder.
func at(t *testing.T, dir string, environ ...string) *Config {
	t.Helper()
	cfg, _, err := LoadConfig(LoadOptions{Environ: append(environ, "HXP_DATA_DIR="+dir)})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// tree are the files below a folder.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		got[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// stored makes a database whose manifest names one file of each state, and lays those that a backup needs into the lake.
func stored(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "hxp.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tp := event.TopicPartition{TopicID: "ab", Topic: "llm-requests"}
	if _, err := s.InitPosition(t.Context(), tp, 0); err != nil {
		t.Fatal(err)
	}
	file := event.LakeFile{Path: "llm-requests/dt=2026-03-01/hour=5/a.parquet", TopicID: "ab", Topic: "llm-requests", To: 1, Hour: 1772341200, Rows: 1, Bytes: 3, SHA256: "00", State: event.LakeLive}
	if ok, err := s.Publish(t.Context(), tp, 0, 1, []event.LakeFile{file}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	put(t, dir, map[string]string{"lake/" + file.Path: "raw", "broker/log/topics.json": keptFiles["broker/log/topics.json"]})
}

var keptFiles = map[string]string{
	"spill/kafka-api/1":           "spilled",
	"airflow/key":                 "secret",
	"reports/daily/r.json":        "report",
	"archive/manifest.jsonl":      "{}",
	"lake/_state/panes/0/id/0001": "snapshot",
	"notifications.id":            "me",
	"broker/log/topics.json":      `{"version":1,"topics":[]}`,
}

var leftBehind = map[string]string{
	"reports/daily/.r.tmp-7":                          "half a report",
	"lake/_tmp/x.parquet":                             "half a file",
	"lake/llm-requests/dt=2026-03-01/hour=5/not-ours": "nobody names it",
	"notifications.lock":                              "1",
}

// What hxp keeps comes back, in its place, and what it does not keep stays away. Folders that lie elsewhere get their parts.
func TestBackupAndRestore(t *testing.T) {
	one, elsewhere := t.TempDir(), t.TempDir()
	put(t, one, keptFiles)
	put(t, one, leftBehind)
	stored(t, one)
	file := filepath.Join(one, "b.tar.zst") // in the folder itself, and not packed into itself
	for range 2 {
		if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	index, err := ReadBackup(t.Context(), file, nil)
	if err != nil || index.Note["migration"] == "" {
		t.Fatal(index, err)
	}

	two := filepath.Join(elsewhere, "new", "data")
	cfg := at(t, two, "REPORT_GENERATION_PATH="+filepath.Join(elsewhere, "reports"))
	if _, err := Restore(t.Context(), cfg, file, nil); err != nil {
		t.Fatal(err)
	}
	got := tree(t, elsewhere)
	want := map[string]string{"reports/daily/r.json": "report", "new/data/lake/llm-requests/dt=2026-03-01/hour=5/a.parquet": "raw", "new/data/hxp.db": got["new/data/hxp.db"]}
	for name, text := range keptFiles {
		if !strings.HasPrefix(name, "reports/") {
			want["new/data/"+name] = text
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	s, err := store.Open(t.Context(), cfg.StoreURL(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if files, err := s.Files(t.Context(), event.LakeFilter{}); err != nil || len(files) != 1 {
		t.Errorf("manifest: %v, %v", files, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	one := t.TempDir()
	put(t, one, keptFiles)
	stored(t, one)
	file := filepath.Join(t.TempDir(), "b.tar.zst")
	if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := func(files map[string]string) string {
		dir := t.TempDir()
		put(t, dir, files)
		return dir
	}
	locked := t.TempDir()
	unlock, err := atomicfile.Lock(filepath.Join(locked, "hxp.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unlock() }()
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(cut, data[:len(data)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  *Config
		file string
		want string
	}{
		"a folder with something in it":  {at(t, folder(map[string]string{"x": "y"})), file, "is not empty (x)"},
		"a folder in use":                {at(t, locked), file, "is in use"},
		"reports that are there already": {at(t, t.TempDir(), "REPORT_GENERATION_PATH="+folder(map[string]string{"x": "y"})), file, "is not empty"},
		"a file that is cut off":         {at(t, t.TempDir()), cut, "damaged"},
		"PostgreSQL":                     {at(t, t.TempDir(), "SQL_DATABASE_URL=postgres://u:p@127.0.0.1:1/x"), file, "names PostgreSQL"},
		"no file":                        {at(t, t.TempDir()), cut + "x", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			before := tree(t, c.cfg.DataDir)
			if _, err := Restore(t.Context(), c.cfg, c.file, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if after := tree(t, c.cfg.DataDir); !maps.Equal(before, after) {
				t.Errorf("the folder has changed: %v", slices.Sorted(maps.Keys(after)))
			}
		})
	}
}

// A database of a later version is refused before anything is in its place.
func TestRestoreOfALaterSchema(t *testing.T) {
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "data")
	stored(t, one)
	db, err := sql.Open("sqlite", filepath.Join(one, "hxp.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("INSERT INTO hxp_migrations (number, name, sha256, applied_at) VALUES (9999, 'of_tomorrow', '00', 0)")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "b")
	if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), at(t, two), file, nil); err == nil || !strings.Contains(err.Error(), "9999_of_tomorrow") {
		t.Errorf("got %v", err)
	}
	if exists(two) {
		t.Error("the folder is there")
	}
}

// So is a data folder, at a start and in a backup.
func TestLaterFormat(t *testing.T) {
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "data")
	for range 2 {
		unlock, err := claimDataDir(one)
		if err != nil {
			t.Fatal(err)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
	}
	if got := tree(t, one)[formatFile]; !strings.Contains(got, `"format":1`) {
		t.Errorf("mark: %s", got)
	}
	put(t, one, map[string]string{formatFile: `{"format":2,"program":"v9"}`})
	const want = "has format 2, written by hxp v9"
	if _, err := claimDataDir(one); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("start: %v", err)
	}
	file := filepath.Join(t.TempDir(), "b")
	if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), at(t, two), file, nil); err == nil || !strings.Contains(err.Error(), want) || exists(two) {
		t.Errorf("restore: %v", err)
	}
	put(t, one, map[string]string{formatFile: "{"})
	if _, err := claimDataDir(one); err == nil || !strings.Contains(err.Error(), formatFile) {
		t.Errorf("a mark that cannot be read: %v", err)
	}
}

// Who interrupts finds nothing, and no start is taken in by a restore that was cut off.
func TestInterrupted(t *testing.T) {
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "data")
	put(t, one, keptFiles)
	file := filepath.Join(t.TempDir(), "b")
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(int64, int64) { cancel() }
	if _, err := Backup(ctx, at(t, one), file, BackupOptions{Progress: stop}); !errors.Is(err, context.Canceled) {
		t.Errorf("backup: %v", err)
	}
	if left := tree(t, filepath.Dir(file)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	if _, err := Restore(ctx, at(t, two), file, func(int64, int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("restore: %v", err)
	}
	if exists(two) {
		t.Errorf("left: %v", tree(t, two))
	}

	put(t, two, map[string]string{restoreMark + "1/hxp.db": "x"})
	if _, err := claimDataDir(two); err == nil || !strings.Contains(err.Error(), "was cut off") {
		t.Errorf("start: %v", err)
	}
}

// What lies on servers of its own is named with what copies it, without passwords.
func TestBackupNamesWhatItCannotHold(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, keptFiles)
	for name, c := range map[string]struct {
		environ []string
		want    []string
	}{
		"PostgreSQL":     {[]string{"SQL_DATABASE_URL=postgres://u:hidden@db:5432/x"}, []string{"pg_dump --format=custom"}},
		"object storage": {[]string{"HXP_LAKE_URL=s3://raw/x", "DATA_ARCHIVAL_PATH=s3://old/y", "HXP_LAKE_S3_ENDPOINT=http://127.0.0.1:1"}, []string{"s3://raw/x", "s3://old/y"}},
		"Apache Kafka":   {[]string{"KAFKA_BOOTSTRAP_SERVERS=kafka:9092"}, []string{"kafka:9092"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "b")
			_, err := Backup(t.Context(), at(t, dir, c.environ...), file, BackupOptions{})
			if !errors.Is(err, ErrLeftOut) || exists(file) {
				t.Fatalf("got %v", err)
			}
			for _, want := range append(c.want, "--partial") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Errorf("a password: %v", err)
			}
			index, err := Backup(t.Context(), at(t, dir, c.environ...), file, BackupOptions{Partial: true})
			if err != nil || !slices.ContainsFunc(index.Members, func(m bundle.Member) bool { return m.Name == "data/airflow/key" }) {
				t.Errorf("partial: %v", err)
			}
		})
	}
	if _, err := Backup(t.Context(), at(t, filepath.Join(dir, "none")), filepath.Join(dir, "b"), BackupOptions{}); err == nil || !strings.Contains(err.Error(), "nothing to back up") {
		t.Errorf("no folder: %v", err)
	}
}

// The order of the cut: effects before causes.
func TestTopicsAreCutFromTheirEffects(t *testing.T) {
	var names []string
	for _, topic := range event.Topics {
		names = append(names, topic.Name)
	}
	slices.SortStableFunc(names, func(a, b string) int { return topicRank(a) - topicRank(b) })
	before := func(effect, cause string) {
		if slices.Index(names, effect) > slices.Index(names, cause) {
			t.Errorf("%s is cut after %s", effect, cause)
		}
	}
	for _, k := range event.Kinds {
		before(event.TopicPanes, k.Topic())
		before(event.TopicJoins, k.Topic())
		before(event.TopicLate, k.Topic())
		before(event.TopicDeadLetters, k.Topic())
		before(event.TopicDeployments, k.Topic())
		before(k.Topic(), event.TopicControl)
	}
	before(event.TopicCorrelations, event.TopicPanes)
	before(event.TopicAlerts, event.TopicPanes)
	before(event.TopicResponses, event.TopicAlerts)
	before(event.TopicPanes, event.TopicJoins)
	before(event.TopicPanes, event.TopicLate)
	before(event.TopicPanes, event.TopicDeployments)
	if topicRank("of somebody else") >= topicRank(event.TopicResponses) {
		t.Error("topics of others are not first")
	}
}

// A file that is replaced between being listed and being read is in the backup as it was or as it is, never cut to the length of the other.
func TestBackupOfAReplacedFile(t *testing.T) {
	for name, text := range map[string]string{"longer": strings.Repeat("x", 100), "shorter": "y"} {
		t.Run(name, func(t *testing.T) {
			one, two := t.TempDir(), filepath.Join(t.TempDir(), "data")
			put(t, one, keptFiles)
			var replaced error
			replace := func(int64, int64) { // airflow/key is read, notifications.id is listed
				replaced = errors.Join(replaced, atomicfile.Write(filepath.Join(one, "notifications.id"), []byte(text)))
			}
			file := filepath.Join(t.TempDir(), "b")
			if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{Progress: replace}); errors.Join(err, replaced) != nil {
				t.Fatal(err, replaced)
			}
			if _, err := Restore(t.Context(), at(t, two), file, nil); err != nil {
				t.Fatal(err)
			}
			if got := tree(t, two)["notifications.id"]; got != text {
				t.Errorf("got %q", got)
			}
		})
	}
}

// What is reached over links is in a backup, or the backup says that it is not.
func TestBackupFollowsLinks(t *testing.T) {
	real, dir := t.TempDir(), t.TempDir()
	one, two := filepath.Join(dir, "data"), filepath.Join(dir, "restored")
	link := func(from, to string) {
		t.Helper()
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	put(t, real, keptFiles)
	put(t, dir, map[string]string{"tokens": "hashes", "big/x.parquet": "x"})
	stored(t, real)
	if err := errors.Join(os.Rename(filepath.Join(real, "lake"), filepath.Join(dir, "lake")), os.Rename(filepath.Join(real, "reports"), filepath.Join(dir, "reports"))); err != nil {
		t.Fatal(err)
	}
	link(one, real)
	link(filepath.Join(real, "lake"), filepath.Join(dir, "lake"))
	link(filepath.Join(real, "reports"), filepath.Join(dir, "reports"))
	link(filepath.Join(real, "tokens.json"), filepath.Join(dir, "tokens"))
	link(filepath.Join(real, "nowhere"), filepath.Join(dir, "none"))
	file := filepath.Join(dir, "b")
	if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), at(t, two), file, nil); err != nil {
		t.Fatal(err)
	}
	got := tree(t, two)
	want := map[string]string{"lake/llm-requests/dt=2026-03-01/hour=5/a.parquet": "raw", "hxp.db": got["hxp.db"], "tokens.json": "hashes"}
	maps.Copy(want, keptFiles)
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}

	link(filepath.Join(real, "more"), filepath.Join(dir, "big"))
	if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err == nil || !strings.Contains(err.Error(), "is a link to the folder") {
		t.Errorf("a folder that is left out: %v", err)
	}
}

// Nobody starts on a folder of which a restore could bring only a part to its place.
func TestRestoreThatCannotCommit(t *testing.T) {
	one, two := t.TempDir(), filepath.Join(t.TempDir(), "data")
	put(t, one, keptFiles)
	file := filepath.Join(t.TempDir(), "b")
	if _, err := Backup(t.Context(), at(t, one), file, BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	intrude := func(int64, int64) { put(t, two, map[string]string{"spill/of-another": "x"}) }
	if _, err := Restore(t.Context(), at(t, two), file, intrude); err == nil || !strings.Contains(err.Error(), "a part is in its place") {
		t.Errorf("restore: %v", err)
	}
	if _, err := claimDataDir(two); err == nil || !strings.Contains(err.Error(), "was cut off") {
		t.Errorf("start: %v", err)
	}
}

// A folder of an embedded broker that is left over is not taken for the topics, which lie where the last start found them.
func TestBackupOfATopicsFolderThatIsLeftOver(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, keptFiles)
	stored(t, dir)
	at := at(t, dir)
	for _, c := range []struct {
		embedded bool
		want     string
	}{{true, ""}, {false, "the topics lie on the brokers at localhost:9092"}, {true, ""}} {
		set := settings{dataDir: dir, embedded: c.embedded, bus: at.Bus()}
		set.broker.Dir = filepath.Join(dir, "broker")
		if err := set.noteTopics(slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "b")
		_, err := Backup(t.Context(), at, file, BackupOptions{})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Fatalf("embedded %v: %v", c.embedded, err)
		}
		index, err := Backup(t.Context(), at, file, BackupOptions{Partial: true})
		if err != nil {
			t.Fatal(err)
		}
		topics := 0
		for _, f := range index.Members {
			if strings.HasPrefix(f.Name, partBroker+"/") {
				topics++
			}
		}
		if (topics > 0) != c.embedded {
			t.Errorf("embedded %v: %d files of topics", c.embedded, topics)
		}
	}
}

// What is done with while a backup is being made stays until that has read it.
func TestBackupHoldsRemovalsOff(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, keptFiles)
	stored(t, dir)
	l, err := lake.Open(filepath.Join(dir, "lake"))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	may := func() bool {
		release, now, err := l.MayRemove()
		if err != nil {
			t.Fatal(err)
		}
		if now {
			if err := release(); err != nil {
				t.Fatal(err)
			}
		}
		return now
	}
	if _, err := Backup(t.Context(), at(t, dir), filepath.Join(t.TempDir(), "b"), BackupOptions{Progress: func(int64, int64) {
		if asked++; may() {
			t.Error("files may be removed while they are read")
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if asked == 0 || !may() {
		t.Errorf("asked %d times; files may not be removed afterwards", asked)
	}
}
