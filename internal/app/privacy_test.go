package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The key of the hashes is read by who runs something, and by nobody else; what is wrong with it is said with the setting.
func TestPrivacyKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	load := func(environ ...string) *Config {
		t.Helper()
		cfg, _, err := LoadConfig(LoadOptions{Environ: append(environ, "HXP_PRIVACY_HASH=user_id", "HXP_PRIVACY_HASH_KEY=file:"+file, "HXP_DATA_DIR="+t.TempDir())})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	if err := load().readPrivacy(); err == nil || !strings.Contains(err.Error(), "ingest.privacy.hash_key") {
		t.Errorf("without the file: %v", err)
	}
	for text, want := range map[string]string{"short": "fewer than 16", "a key that is long enough\n": ""} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := load()
		err := cfg.readPrivacy()
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), text+" ")):
			t.Errorf("%q: %v", text, err)
		case want == "" && (err != nil || cfg.Batch.Lake.Events.Privacy == nil || cfg.Batch.Lake.Events.Privacy != cfg.EventProcessing.Stream.Events.Privacy):
			t.Errorf("%q: %v, and not all have the rules", text, err)
		}
	}
	if _, _, err := LoadConfig(LoadOptions{Environ: []string{"HXP_PRIVACY_HASH=user_id"}}); err == nil || !strings.Contains(err.Error(), "hash_key") {
		t.Errorf("hashes without a key: %v", err)
	}
}
