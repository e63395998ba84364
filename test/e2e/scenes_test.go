package e2e

// What commands need that are shown with a word in the place of a name, or whose state is not there by itself.
const (
	// fires sends ten slow requests and waits for the alert of the first steps and its proposal.
	fires = `
hxp rules put examples/first-steps/rule.yaml
n=0
until hxp responses list --state proposed | grep -q scale; do
  curl -s localhost:9099/events -H 'Content-Type: application/json' -o /dev/null \
    -d '{"event_type":"llm_request","data":{"model":"my-model","success":true,"duration_ms":9000}}'
  n=$((n + 1)); [ $n -lt 100 ]; sleep 0.2
done
approved() {
  hxp responses approve "$(hxp responses list --state proposed | second)" --reason "a try" >/dev/null
  until hxp responses list --state applied | grep -q scale || hxp responses list --state verified | grep -q scale; do sleep 0.2; done
  (hxp responses list --state applied; hxp responses list --state verified) | awk '/scale/ {print $1; exit}'
}
`
	letter = `command curl -s localhost:9099/events -H 'Content-Type: application/json' -d '{"event_type":"llm_request","data":{"model":"m","duration_ms":"soon"}}'
until hxp dead-letters list --reason wrong_type --state open | grep -q llm; do sleep 0.2; done`
	routes = `printf 'route: {receiver: ops}\nreceivers: [{name: ops, console_configs: [{}]}]\n' >routes.yaml; hxp notifications config --file routes.yaml`
	alert  = `curl -s localhost:9102/api/v2/alerts -H 'Content-Type: application/json' -d '[{"labels": {"alertname": "Slow"}}]'`
	ofJane = `curl -sf localhost:9099/events -H 'Content-Type: application/json' -d '{"event_type":"llm_request","data":{"model":"m","duration_ms":1,"user_id":"jane@example.org"}}'`
	ofSlow = `"$(hxp notifications alerts | awk '/Slow/ {print $1; exit}')"`
	saved  = `hxp backup saved.tar.zst`
	aRun   = `$(hxp runs list | second)`
	aPlan  = `$(hxp retention list | awk 'NR > 1 && !/restore/ {print $1; exit}')`
	folder = `$PWD/restored-$RANDOM`
	// uncounted starts brokers of its own with requests that nobody has counted.
	uncounted = `filled() { unset FOREIGN; broker; hxp bench peers --kafka $KAFKA_BOOTSTRAP_SERVERS --fill 20000; }
`
)

var scenes = []scene{
	// Blocks.
	{shows: "hxp simulate --past 336h", typed: []string{"336h", "6h"}}, // a shorter past
	{shows: "hxp capacity show", typed: []string{"--lost 1 ", "--lost 1 || [ $? = 1 ] "}},
	{shows: "curl 'localhost:9101/forecasts?metric=requests", before: `python3 -c 'import math
for i in range(24 * 30): print(f"2026-03-{1 + i // 24:02}T{i % 24:02}:00:00Z,{100 + 50 * math.sin(i / 24 * 6.283):.1f}")' >series.csv
sed -i '1i t,value' series.csv`,
		typed: []string{"interval=0.95' ", "interval=0.95' || [ $? = 22 ] ", `"origins": 7}' `, `"origins": 7}' || [ $? = 22 ] `}}, // a test has no seasons of hours
	{shows: "hxp notifications config --file try.yaml", before: `awk '/^` + "```yaml" + `/ {n++; on = n == 1; next} /^` + "```" + `/ {on = 0} on' $REPO/docs/notifications.md >try.yaml`,
		typed: []string{"FINGERPRINT", ofSlow}},
	{shows: "hxp erase --user", typed: []string{"verify --user jane@example.org", "verify --user jane@example.org || [ $? = 1 ]"}, // the last record of a topic stays
		before: ofJane},
	{shows: "curl http://HXP:9099/events", typed: []string{"HXP:9099", "localhost:9099"}},
	{shows: "vllm serve", before: `BEHIND=$(free) FRONT=$(free) ADMIN=$(free)
cat >upstream.py <<'PY'
import http.server, json, sys
class Upstream(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        piece = {"id": "c-1", "object": "chat.completion.chunk", "model": "my-model", "choices": [{"index": 0, "delta": {"content": "Hello"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
        self.send_response(200); self.send_header("Content-Type", "text/event-stream"); self.end_headers()
        self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\n\ndata: [DONE]\n\n")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Upstream).serve_forever()
PY
python3 upstream.py $BEHIND & UPSTREAM=$!
until command curl -s -o refused 127.0.0.1:$BEHIND; do kill -0 $!; sleep 0.1; done`,
		typed: []string{"127.0.0.1:9092 hxp tap", "$KAFKA_BOOTSTRAP_SERVERS command hxp tap --data-dir tapped", ":8000 --upstream", ":$FRONT --upstream", "http://127.0.0.1:8001", "http://127.0.0.1:$BEHIND",
			"127.0.0.1:8002", "127.0.0.1:$ADMIN & until curl -s 127.0.0.1:$ADMIN/health >/dev/null; do kill -0 $!; sleep 0.1; done", "localhost:8000", "localhost:$FRONT", `"Hello"}]}'`, `"Hello"}]}'; kill $UPSTREAM; wait $UPSTREAM || true`}},
	{shows: "hxp reports generate weekly_summary --format pdf -o week.pdf", before: `printf '#!/bin/sh\necho shown: "$@" >&2\n' >"${PATH%%:*}/xdg-open"; chmod +x "${PATH%%:*}/xdg-open"`,
		typed: []string{" --email finance@example.org", "", "show ID", "show $(hxp reports list | second)", "open ID", "open $(hxp reports list | second)"}},
	{shows: "curl http://127.0.0.1:9101/reports/schedules", typed: []string{`"…"`, `'"$(curl -si http://127.0.0.1:9101/reports/schedules | tr -d '\r' | sed -n 's/^[Ee][Tt]ag: //p')"'`}},
	{shows: "hxp rules list", before: `cp examples/first-steps/rule.yaml my-rules.yaml`},
	{shows: "hxp backup /backup", before: `mkdir backup`, typed: []string{"/backup/hxp-2026-03-01", "backup/hxp-$(date +%F)", "/backup", "backup", "/var/lib/hxp-new", "restored", " --data-dir /var/lib/hxp ", " "}},
	{shows: "KAFKA_BOOTSTRAP_SERVERS=kafka1:9092,kafka2:9092 HXP_BROKER=external", before: "broker", typed: []string{"kafka1:9092,kafka2:9092", "$KAFKA_BOOTSTRAP_SERVERS"}},
	{shows: "KAFKA_TOPIC_PARTITIONS=6", before: "broker", typed: []string{"FACTOR=3", "FACTOR=1", "=…", "=$KAFKA_BOOTSTRAP_SERVERS"}}, // one broker
	{shows: "hxp run kafka-api event-processing-api", before: "broker"},
	{shows: "KAFKA_BOOTSTRAP_SERVERS=kafka1:9092 hxp replay", before: "broker; hxp run kafka-api\n" + `echo '{"event_type":"llm_request","data":{"model":"m","duration_ms":1}}' >trace.csv`,
		typed: []string{"kafka1:9092", "$KAFKA_BOOTSTRAP_SERVERS"}},
	{shows: "hxp lake export --topic llm-requests", typed: []string{"/backup/march", "march 2>&1 | sed 's/ of 8 hours/ of 7 hours/'"}}, // one may have ended since they were made
	{shows: "hxp lake sql --engine duckdb", typed: []string{"| duckdb", "| grep -i parquet"}},                                          // TestRealReaders has DuckDB
	{shows: "hxp config check", before: "mkdir -p config && export HXP_CONFIG_DIR=$PWD/config"},
	{shows: "hxp topics list  "},
	{shows: "kill -TERM PID", before: "hxp up --data-dir data-$$ >/dev/null\nPID=$!", typed: []string{"PID ", "$PID; wait $PID ", "tgz data", "tgz data-$$", "restored/data", "restored/data-$$"}},
	{shows: "curl localhost:9102/streams/status", typed: []string{"curl -N", "timeout 2 curl -N", "health'", "health' || [ $? = 124 ]",
		"python3 examples", "timeout 3 python3 $REPO/examples", "9102 events", "9102 events || [ $? = 124 ]"}},
	{shows: "hxp retention verify", before: `echo '{"event_type":"llm_request","timestamp":"2025-06-01T10:00:00Z","data":{"model":"m","duration_ms":1}}' >old.ndjson
hxp replay old.ndjson; hxp dags trigger hxp_hourly_aggregation --start 2025-06-01T10:00:00Z --end 2025-06-01T11:00:00Z --wait; hxp retention cleanup --force`,
		typed: []string{"tail -1 archive", "tail -1 data/archive"}},
	{shows: "hxp retention restore daily-20260401", typed: []string{"daily-20260401", aPlan}}, // that of the scene before
	{shows: "hxp runs show RUN", before: "hxp dags trigger hxp_hourly_aggregation --wait", typed: []string{"show RUN", "show " + aRun, "logs RUN --task daily_aggregation --try 2", "logs " + aRun}},
	{shows: "hxp dags backfill hxp_hourly_aggregation", typed: []string{"2026-02-01", "2026-01-02"}}, // a day
	{shows: "curl -X POST localhost:9101/runs/RUN/clear", before: "RUN=" + aRun, typed: []string{"RUN", "$RUN", "DAG --from … --to …", "hxp_hourly_aggregation --from 2026-01-01 --to 2026-01-02"}},
	{shows: "export HXP_AUTH_TOKENS_FILE", typed: []string{"/etc/hxp", "$PWD"}},
	{shows: "openssl req", before: "WAY_IN=$(free)", typed: []string{"localhost:9099", "localhost:$WAY_IN"}},
	{shows: "export HXP_TLS_CERT_FILE=/etc/hxp", before: `WAY_IN=$(free)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -keyout hxp.key -out hxp.pem -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null`,
		typed: []string{"/etc/hxp/tls/ca.pem", "$PWD/hxp.pem", "/etc/hxp/tls", "$PWD", "https://hxp.example:9099", "https://localhost:$WAY_IN"}},
	{shows: "export KAFKA_BOOTSTRAP_SERVERS=0.0.0.0:9092", before: `export FOREIGN=1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -keyout hxp.key -out hxp.pem -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
printf secret >kafka; printf 'gateway:word\n' >kafka-users; chmod 600 kafka kafka-users`,
		typed: []string{"0.0.0.0:9092", "127.0.0.1:0", " HXP_BROKER_ADVERTISED_ADDRESS=hxp.example:9092", "", "/run/secrets", "$PWD", "/etc/hxp/tls/ca.pem", "$PWD/hxp.pem", "/etc/hxp", "$PWD",
			"CERT_FILE=…", "CERT_FILE=$PWD/hxp.pem", "KEY_FILE=…", "KEY_FILE=$PWD/hxp.key"}},
	{shows: "export PATH=$PWD/bin", before: `mkdir bin; ln -s "$(type -P hxp)" bin/hxp`, typed: []string{":$PATH", ":$PATH; bin/hxp version"}},
	{shows: "docker build", before: "export HXP_AUTH_TOKENS_FILE=$PWD/tokens-$RANDOM.json", typed: []string{"docker compose run --rm ", "", ">deploy/compose/hxp.token", "| grep ^hxp_"}}, // the image runs hxp
	{shows: "sudo sed -i", before: "cp $REPO/deploy/config/services/kafka-api.yaml .", typed: []string{"sudo ", "", "/opt/citadel/config/services/kafka-api.yaml", "kafka-api.yaml; grep log_level kafka-api.yaml"}},
	{shows: "sudo -u citadel hxp doctor", before: `sed "s|/var/lib/citadel|$PWD/citadel|" $REPO/deploy/debian/default >citadel.env; HXP_AUTH_TOKENS_FILE=$PWD/citadel/tokens.json hxp auth token create --name admin --scope read`,
		typed: []string{"sudo -u citadel ", "", "/etc/default/citadel", "citadel.env"}},
	{shows: "hxp lake ls --json > files.json", before: "until hxp lake ls | grep -q parquet; do sleep 0.2; done", typed: []string{"> files.json", "| tee files.json"}},

	{shows: "sed -i 's|runbook_url: docs/", before: "mkdir rules && cp $REPO/deploy/prometheus/*.rules.yaml rules", typed: []string{"/opt/citadel/config/prometheus/rules", "rules",
		">slo.rules.yaml", "| tee slo.rules.yaml; if grep 'runbook_url: docs/' rules/*.yaml slo.rules.yaml; then false; fi"}},
	{shows: "hxp simulate --past 3h --scenario incident", typed: []string{"3h", "10m", "55m", "2s"}},
	{shows: "hxp up --demo --data-dir ./data", typed: []string{"./data", "./streamlit"}},

	{shows: "curl -s -X POST http://localhost:9099/events", typed: []string{`"soon"}}'`, `"soon"}}' || [ $? = 22 ]`}}, // that is what it is for

	// Blocks with parts of others.
	{shows: "export HXP_LAKE_URL=s3://my-bucket", part: "S3", typed: []string{"s3://my-bucket/hxp", "s3://hxp-test/docs-$RANDOM", "AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…", "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY", "eu-central-1", "us-east-1",
		"https://minio.example:9000", "$S3"}},
	{shows: "SQL_DATABASE_URL='postgres://citadel_admin:PASSWORD@192.168.10.35:5433", part: "PostgreSQL",
		typed: []string{"'postgres://citadel_admin:PASSWORD@192.168.10.35:5433/citadel_ai'", "$SQL_DATABASE_URL"}},
	{shows: "createuser", part: "PostgreSQL", typed: []string{"createuser", `printf 'word\nword\n' | setsid -w createuser`, // without a terminal it reads what it is given
		"citadel_ai", "citadel_ai && PGPASSWORD=word psql -U citadel_admin -d citadel_ai -c 'CREATE TABLE of_its_own ()' && dropdb citadel_ai && dropuser citadel_admin"}},
	{shows: "keytool -importkeystore", part: "Java", before: "keytool -genkeypair -keystore client.jks -storetype JKS -storepass changeit -keypass changeit -alias hxp -keyalg EC -dname CN=hxp",
		typed: []string{"PKCS12", "PKCS12 -srcstorepass changeit -deststorepass changeit", "-in client.p12", "-passin pass:changeit -in client.p12", "-out hxp.key", "-out hxp.key; openssl x509 -in hxp.pem -noout; openssl pkey -in hxp.key -noout"}},
	{shows: "psql -h 192.168.10.35", part: "PostgreSQL", typed: []string{"-h 192.168.10.35 -U citadel_admin -d citadel_ai", `"$SQL_DATABASE_URL"`}},
	{shows: `psql -h "$PGHOST"`, part: "PostgreSQL", typed: []string{`-h "$PGHOST" -U citadel_admin -d citadel_ai`, `"$SQL_DATABASE_URL"`}},
	{shows: "psql … -c", part: "PostgreSQL", typed: []string{"…", `"$SQL_DATABASE_URL"`}},
	{shows: "pg_dump", part: "PostgreSQL"},
	{shows: "SQL_DATABASE_URL='postgres://citadel_admin:PASSWORD@192.168.10.35:5432", part: "PostgreSQL",
		typed: []string{"'postgres://citadel_admin:PASSWORD@192.168.10.35:5432/citadel_ai'", "$SQL_DATABASE_URL", "192.168.10.35:5432", "$PGHOST:$PGPORT", "=…", "=$PGPASSWORD SQL_DATABASE_URL= SQL_DATABASE_USER=$PGUSER SQL_DATABASE_NAME=$PGDATABASE"}},
	{shows: "kafka-consumer-groups.sh --bootstrap-server", part: "Apache Kafka", typed: []string{"kafka1:9092", "$KAFKA_BOOTSTRAP_SERVERS"}},
	{shows: `echo '{"event_type": "system_metric"`, part: "Apache Kafka", typed: []string{"kafka1:9092", "$KAFKA_BOOTSTRAP_SERVERS"}},
	{shows: "kafka-consumer-groups.sh --describe --group hxp-event-processing", part: "Apache Kafka", typed: []string{"--describe", "--bootstrap-server $KAFKA_BOOTSTRAP_SERVERS --describe"}},

	// Sentences.
	{shows: "hxp costs show --by model,tenant [--own]", typed: []string{"[--own]", "--own"}},
	{shows: "hxp costs whatif --move 30%:big:small", typed: []string{"big:small", "hermes-2:small"}},
	{shows: "hxp costs prices put", before: `echo '{"prices": [{"model": "tiny", "effective_from": "2026-01-01T00:00:00Z", "input_cost_per_token": 1e-7, "output_cost_per_token": 2e-7}]}' >prices.json`,
		typed: []string{"put", "put prices.json"}},
	{shows: "hxp topics delete NAME --yes", before: "hxp topics create team.gone --partitions 1", typed: []string{"NAME", "team.gone"}},
	{shows: "hxp notifications config --file routes.yaml", before: routes},
	{shows: `hxp notifications silence add 'model="m1"' --for 2h --comment …`, typed: []string{"…", `"a try"`}},
	{shows: "hxp notifications ack 0123…", before: alert, typed: []string{"0123…", ofSlow}},
	{shows: "hxp notifications test NAME", before: routes, typed: []string{"NAME", "ops"}},
	{shows: "hxp notifications test ops", before: routes},
	{shows: "amtool --alertmanager.url=http://127.0.0.1:9102 alert query", part: "Alertmanager"},
	{shows: "hxp topics alter NAME --set retention.ms=…", typed: []string{"NAME", "llm-requests", "…", "86400000"}},
	{shows: "hxp topics show TOPIC", typed: []string{"TOPIC", "llm-requests"}},
	{shows: "hxp replay --format langfuse FILE…", typed: []string{"FILE…", "$REPO/internal/ingest/format/testdata/langfuse.json"}},
	{shows: "hxp replay --format openai-usage FILE", before: `echo '{"id":"c1","object":"chat.completion","created":1772359200,"model":"m","usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}' >answers.ndjson`,
		typed: []string{"FILE", "answers.ndjson"}},
	{shows: "hxp replay FILE…", before: `echo '{"event_type":"llm_request","data":{"model":"m","duration_ms":1}}' >trace.ndjson`, typed: []string{"FILE…", "trace.ndjson"}},
	{shows: "hxp replay --via kafka", before: `echo '{"event_type":"llm_request","data":{"model":"m","duration_ms":2}}' >trace.ndjson`, typed: []string{"kafka", "kafka trace.ndjson"}},
	{shows: "hxp run scheduler", before: "broker"},
	{shows: "hxp run event-processing-api stream", before: "broker"},
	{shows: "hxp run batch-processing-api lake", before: "broker"},
	{shows: "hxp batch-processing-api", before: "broker"},
	{shows: "hxp airflow dags backfill", typed: []string{"backfill", "backfill hxp_weekly_aggregation --start-date 2025-01-01 --end-date 2025-01-07 --dry-run"}},
	{shows: "airflow dags pause", typed: []string{"pause", "pause hxp_monthly_aggregation", "airflow", "airflow"}},
	{shows: "airflow users create", typed: []string{"create", "create --username ada --password countess --role Viewer --firstname Ada --lastname L --email ada@example.org"}},
	{shows: `curl -X POST localhost:8080/auth/token -d '{"username":"admin","password":"…"}'`,
		typed: []string{"…", `'"$(sed 's/.*"admin": *"\([^"]*\)".*/\1/' data/airflow/simple_auth_manager_passwords.json.generated)"'`}},
	{shows: "cat data/airflow/simple_auth_manager_passwords.json.generated"},
	{shows: "curl 'localhost:9100/anomalies?model=NAME'", typed: []string{"NAME", "mixtral-8x7b"}},
	{shows: "curl 'localhost:9100/analytics/compare?a=START/END&b=START/END&metric=requests'", typed: []string{"a=START/END&b=START/END", "a=2026-01-01T00:00:00Z/2026-01-01T00:05:00Z&b=2026-01-01T00:05:00Z/2026-01-01T00:10:00Z"}},
	{shows: "hxp alerts show ID", before: fires, typed: []string{"ID", `"$(hxp alerts list --state firing | awk '/my-slow/ {print $NF; exit}')"`}},
	{shows: `hxp responses revert ID --reason "why"`, before: fires, typed: []string{"hxp", `id="$(approved)"; until hxp`, "ID", `"$id"`, `"why"`, `"why"; do sleep 0.2; done`}}, // it may be changed at this moment
	{shows: "hxp responses show ID", typed: []string{"ID", `"$(hxp responses list | second)"`}},                                                                                  // that of the scene before
	{shows: "hxp rules test FILE", typed: []string{"FILE", "examples/first-steps/rule.yaml"}},
	{shows: "hxp rules test --from 6h my-rules.yaml", before: "cp examples/first-steps/rule.yaml my-rules.yaml"},
	{shows: "hxp rules import FILE", before: `printf 'groups:\n  - name: g\n    rules:\n      - alert: Slow\n        expr: histogram_quantile(0.95, sum(rate(vllm:e2e_request_latency_seconds_bucket[5m])) by (le, model_name)) > 5\n' >rules.yaml`, typed: []string{"FILE", "rules.yaml"}},
	{shows: "hxp backup FILE --partial", typed: []string{"FILE", "part.tar.zst"}},
	{shows: "hxp restore FILE --data-dir /tmp/try && hxp up --data-dir /tmp/try", before: saved, typed: []string{"FILE", "saved.tar.zst", "/tmp/try", "$PWD/try"}},
	{shows: "go version FILE", typed: []string{"FILE", `"$(readlink -f "$(type -P hxp)")"`}},
	{shows: "promtool test rules FILE", part: "promtool", typed: []string{"FILE", "$REPO/deploy/prometheus/hxp.rules.test.yaml"}},
	{shows: "hxp dead-letters list --reason REASON", before: letter, typed: []string{"REASON", "wrong_type"}},
	{shows: `hxp dead-letters redrive --reason wrong_type --patch '{"data":{"duration_ms":null}}' --dry-run`, before: letter},
	{shows: "hxp retention show ID", before: "hxp retention plan >/dev/null", typed: []string{"ID", aPlan}},
	{shows: "hxp dags trigger hxp_hourly_aggregation --start … --end … --wait", typed: []string{"--start …", "--start 2026-03-01T10:00:00Z", "--end …", "--end 2026-03-01T11:00:00Z"}},
	{shows: "hxp reports generate TYPE", typed: []string{"TYPE", "test"}},
	{shows: "hxp auth token rotate NAME --grace 10m", before: "export HXP_AUTH_TOKENS_FILE=$PWD/tokens-$RANDOM.json; hxp auth token create --scope read --name prometheus", typed: []string{"NAME", "prometheus"}},
	{shows: "hxp up --ready-file ready.json", typed: []string{" --ready-file ready.json", ""}},
	{shows: "hxp capacity simulate --traffic 1.5", typed: []string{"1.5", "1.5 || [ $? = 1 ]"}},
	{shows: "hxp capacity simulate --traffic 2 --lost 1", typed: []string{"--lost 1", "--lost 1 || [ $? = 1 ]"}},
	{shows: "hxp forecast --input FILE", typed: []string{"FILE", "series.csv --horizon 24"}},
	{shows: "hxp runs logs RUN --task hourly_aggregation.part_03_of_08", before: `echo '{"event_type":"llm_request","timestamp":"2026-03-01T10:00:00Z","data":{"model":"m","duration_ms":1}}' >hour.ndjson; hxp replay hour.ndjson
RUN=$(curl -s localhost:9101/runs -H 'Content-Type: application/json' -d '{"dag_id":"hxp_hourly_aggregation","task_id":"hourly_aggregation","conf":{"parts":8},
"data_interval_start":"2026-03-01T10:00:00Z","data_interval_end":"2026-03-01T11:00:00Z"}' | sed 's/.*"id": *"\([^"]*\)".*/\1/')
until hxp runs show $RUN | grep -q success; do sleep 0.2; done`, typed: []string{"RUN", "$RUN"}},
	{shows: "hxp erase --topics", before: ofJane, typed: []string{"--topics", "--topics --user jane@example.org --dry-run"}},
	{shows: "hxp schemas list|show", typed: []string{"list|show", "show llm_request"}},
	{shows: "hxp schemas validate FILE", before: `echo '{"event_type":"llm_request","data":{"model":"m","duration_ms":1}}' >event.json`, typed: []string{"FILE", "event.json"}},
	{shows: "hxp simulate --rate 2000", typed: []string{"2000", "2000 --duration 1s"}},
	{shows: "hxp slo prometheus > slo.rules.yaml", typed: []string{"slo.rules.yaml", "slo.rules.yaml; cat slo.rules.yaml"}},
	{shows: "hxp slo show NAME", typed: []string{"NAME", `"$(hxp slo list | second)"`}},
	{shows: "kill -9", before: "hxp up --data-dir killed", typed: []string{"kill -9", "kill -9 $!; wait $! || hxp up --data-dir killed"}},
	{shows: "kill -HUP", before: "hxp up --data-dir heard 2>heard.log", typed: []string{"kill -HUP", `kill -HUP $!; until grep "configuration reloaded" heard.log; do kill -0 $!; sleep 0.1; done`}},
	{shows: "go list", typed: []string{"go list", "cd $REPO && go list ./cmd/hxp"}},
	{shows: "go doc github.com/hxp-enterprise/hxp/sdk", typed: []string{"go doc", "cd $REPO && go doc"}},
	{shows: "go get github.com/hxp-enterprise/hxp/sdk", before: "mkdir shop && cd shop && go mod init shop && go mod edit -replace github.com/hxp-enterprise/hxp=$REPO && export GOFLAGS=-mod=mod GOPROXY=off"},
	{shows: "go tool pprof", before: "export PPROF_TMPDIR=$PWD", typed: []string{"pprof", "pprof -top -nodecount=3 http://localhost:9100/debug/pprof/heap"}},
	{shows: "hxp bench NAME --duration 20s --json", typed: []string{"NAME", "windows", "20s", "200ms"}},
	{shows: "hxp bench peers --unjoined", before: uncounted + "filled; hxp bench peers --kafka $KAFKA_BOOTSTRAP_SERVERS; filled", typed: []string{"peers", "peers --kafka $KAFKA_BOOTSTRAP_SERVERS"}},
	{shows: "hxp bench batch", typed: []string{"batch", "batch --duration 1ms --rows 10000"}},
	{shows: "hxp bench tap", typed: []string{"tap", "tap --duration 1s"}},
	{shows: "hxp bench pipeline", typed: []string{"pipeline", "pipeline --duration 300ms"}},
	{shows: "hxp bench ingest", typed: []string{"ingest", "ingest --duration 400ms"}},
	{shows: "hxp bench latency", typed: []string{"latency", "latency --duration 1s"}},
	{shows: "hxp bench streaming", typed: []string{"streaming", "streaming --duration 1s"}},
	{shows: "hxp bench actions", typed: []string{"actions", "actions --duration 500ms"}},
	{shows: "python3 -m unittest discover -s examples/python -t examples/python", typed: []string{"python3", "cd $REPO && python3"}},
	{shows: `ln -s "$(command -v hxp)" /usr/local/bin/airflow`, typed: []string{"command -v", "type -P", "/usr/local/bin", "$PWD"}},
	{shows: "touch $HXP_DATA_DIR/responses.off", typed: []string{"responses.off", "responses.off && rm $HXP_DATA_DIR/responses.off"}},
}
