# build, run, test, check and bench need Go alone; test-real and bench-peers install what they need.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export CGO_ENABLED = 0

.PHONY: build run test test-real check vuln bench bench-peers clean deb docs profile

# Inlining costs more than two megabytes in libraries that no event passes through, or only whole batches do: SQL, S3, PDF, YAML, JSON by
# reflection, commands, metrics, sockets, shaking hands in TLS, CEL, the embedded broker; in what works by the hour or answers people; and in ways in and rules, where it is worth no more than 5 % of their own time.
rare = github.com/minio google.golang.org/protobuf google.golang.org/genproto codeberg.org github.com/jackc \
	github.com/prometheus github.com/spf13 github.com/andybalholm github.com/tinylib go.yaml.in github.com/antlr4-go \
	github.com/parquet-go/parquet-go/encoding/thrift github.com/parquet-go/parquet-go/format github.com/robfig github.com/wneessen math/big reflect github.com/twmb/franz-go/pkg/kfake net/http fmt os net crypto vendor/golang.org encoding/json $(addprefix cel.dev/cel-go/,parser checker cel common) \
	database/sql encoding/asn1 encoding/base64 encoding/csv encoding/hex encoding/pem encoding/xml archive bufio compress container context embed internal/poll flag html image io/fs log mime path regexp sort text \
	golang.org/x github.com/google github.com/klauspost/cpuid github.com/klauspost/crc32 github.com/twmb/franz-go/pkg/kadm \
	$(addprefix github.com/hxp-enterprise/hxp/,cmd $(addprefix internal/,alert app audit batch broker event/jsonschema ingest kit serve store) \
		$(addprefix internal/stream/,alerts anomaly deployments rule ruleset watch))

# What build and profile have in common.
compile = $(GO) build -trimpath -buildvcs=false $(rare:%=-gcflags=%/...=-l) -ldflags '-s -w -funcalign=1 -X github.com/hxp-enterprise/hxp/internal/app.Version=$(VERSION)'

# The profile says which calls are worth inlining: a fifth of what an event takes in the fast path. It is given here and has no name that Go
# looks for, so that tests and what is built for them are compiled once.
build: ## the one binary, bin/hxp
	$(GO) run ./web/pack
	$(compile) -tags packed -pgo cmd/hxp/hxp.pgo -o bin/hxp ./cmd/hxp

# An old profile stays right, and is worth less where the code has changed.
profile: ## cmd/hxp/hxp.pgo anew, from measurements of the fast path, the way in and the lake on this machine
	$(GO) run ./web/pack
	$(compile) -tags packed,profile -o bin/hxp-profile ./cmd/hxp
	for b in windows pipeline ingest; do HXP_BENCH_PROFILE=bin/$$b.prof bin/hxp-profile bench $$b --duration 15s || exit 1; done
	$(GO) tool pprof -proto bin/windows.prof bin/pipeline.prof bin/ingest.prof >cmd/hxp/hxp.pgo

# The settings of the first steps in the README alone: their receiver listens on this machine.
run: build ## the whole system with two days of generated traffic; prints where to look
	HXP_WEBHOOK_ALLOW=127.0.0.0/8 ./bin/hxp up --demo --past 48h --rate 3 --scenario diurnal --config examples/first-steps

# The end-to-end suite waits more than it works, so it begins first and others run beside it on every core. `check` vets.
test: ## every test that needs Go alone, the end-to-end suite included
	$(GO) test -vet=off -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) -timeout 20m ./test/e2e ./...

test-real: build ## the same end-to-end suite against real Apache Kafka, and strangers' clients against the embedded broker
	tools/real/test-real

# SQLite is C translated to Go: looking for races inside it, beside checking its pointers, takes two thirds of the time of a test with a
# database. Its driver, which copies what it is given and what it gives, is watched like everything else. The end-to-end suite drives
# processes that are built as they are shipped, so there would be nothing to watch; `test` runs it.
unraced = -gcflags=modernc.org/...=-d=checkptr=0 $(patsubst %,-gcflags=modernc.org/%/...=-race=false,sqlite/lib libc)

check: ## format, vet, staticcheck, tests under the race detector
	@test -z "$$(gofmt -l cmd deploy internal sdk test web)" || { echo 'not gofmt-ed:'; gofmt -l cmd deploy internal sdk test web; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	CGO_ENABLED=1 $(GO) test -race $(unraced) -vet=off -short -timeout 30m $$($(GO) list ./... | grep -v '/test/e2e$$')

# Exit code 3 is what govulncheck says of faults; anything else but 0 is that it could not look, as where its database cannot be reached.
vuln: ## known faults of what is linked in, where the database of Go (GOVULNDB) can be reached
	@$(GO) tool -modfile=tools/go.mod govulncheck ./...; code=$$?; \
	if [ $$code = 3 ]; then exit 3; elif [ $$code != 0 ]; then echo '!!! SKIPPED: govulncheck could not look (exit code '$$code'): known faults of what is linked in were not searched for'; fi

bench: build ## the figures of the closing notes: payload and machine are printed beside them
	$(GO) test -run '^$$' -bench . -benchmem ./internal/event ./internal/agg ./internal/lake ./internal/batch
	./bin/hxp bench pipeline --duration 20s
	./bin/hxp bench windows --duration 20s
	./bin/hxp bench ingest --duration 20s
	./bin/hxp bench latency --duration 20s
	./bin/hxp bench actions --duration 20s
	./bin/hxp bench batch --duration 20s
	./bin/hxp bench tap --duration 20s
	./bin/hxp bench streaming --duration 24s

bench-peers: build ## the aggregation of an hour beside DuckDB, which is installed from PyPI, on the same files; windows of a topic of Apache Kafka
	tools/real/batch-peers
	tools/real/stream-peers

deb: build ## the Debian package, in dist/
	tools/package/deb

docs: build ## generated pages and the documents of api/
	./bin/hxp config reference > docs/configuration.md
	./bin/hxp slo prometheus > deploy/prometheus/slo.rules.yaml
	$(GO) run ./deploy/grafana
	$(GO) test ./api -run Newest -update
	$(GO) test ./internal/app -run 'Documents|MetricsPage' -update
	$(GO) test ./internal/app -run Access -update
	$(GO) test ./test/arch -run Licences -update

clean: ## what was built; ./data stays, which may hold events of your own
	rm -rf bin dist web/packed.zip
