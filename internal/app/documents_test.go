package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

const documents = "../../api"

// TestDocuments holds what the services tell of themselves to the meta-schemas of OpenAPI and AsyncAPI, and to the files that are
// committed under api/. `make docs` writes these.
func TestDocuments(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := slog.New(slog.DiscardHandler)
	sys, units, err := alone(ctx, Names, t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{}
	if err := run.Supervise(ctx, log, units, func() {
		defer stop()
		urls := sys.allURLs()
		for _, service := range withAPI {
			got["openapi/"+service+".json"] = fetchDocument(t, urls[service]+"/openapi.json")
		}
		got["asyncapi.json"] = fetchDocument(t, urls[KafkaAPI]+"/asyncapi.json")
		got["asyncapi-streams.json"] = fetchDocument(t, urls[DataStreamingAPI]+"/asyncapi.json")
	}); err != nil {
		t.Fatal(err)
	}
	openapi, asyncapi := metaSchema(t, "openapi-3.1.json.gz"), metaSchema(t, "asyncapi-3.0.0.json.gz")
	for name, text := range got {
		meta := openapi
		if strings.HasPrefix(name, "asyncapi") {
			meta = asyncapi
		}
		tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := meta.Validate(tree); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		kept(t, filepath.Join(documents, name), text)
	}
	if len(got) != 7 {
		t.Errorf("%d documents", len(got))
	}
	kept(t, "../../docs/endpoints.md", endpointsPage(t, got))
}

// withAPI are the services that describe themselves.
var withAPI = []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI, Scheduler}

// kept holds a file of the repository to what the code says.
func kept(t *testing.T, file string, text []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Error(err)
		}
		return
	}
	if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, text) {
		if testing.Short() { // a short run checks one change; the files are for a whole state
			t.Logf("%s is to be written anew: run `make docs`", file)
			return
		}
		t.Errorf("%s is not what is served; run `make docs` (%v)", file, err)
	}
}

// fetchDocument returns a served document, indented.
func fetchDocument(t *testing.T, url string) []byte {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(body), "", "  "); err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return append(out.Bytes(), '\n')
}

func metaSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open(filepath.Join(documents, "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := jsonschema.UnmarshalJSON(z)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///meta.json", tree); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("file:///meta.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}
