package e2e

// Why commands are not run.
const (
	building  = "it builds or runs the tests themselves"
	mentioned = "it names a command of others, or its end, and is not to be typed"
	systemd   = "it needs a running systemd and the package; TestSystemdHears and test/deploy hold what the units say, make test-real installs the package"
	container = "it needs a container engine; make test-real lets Docker Compose and the schemas of Kubernetes judge the files"
	terminal  = "it asks for a password at the terminal"
	brokers   = "it needs brokers that know users; make test-real gives Apache Kafka the same rights (tools/real/kafka) and runs TestEndToEnd with them"
	measures  = "it measures for seconds to minutes with all cores; make bench and make bench-peers run it"
	notebook  = "it needs a virtual environment with Streamlit and Jupyter; make test-real runs both (tools/real/notebook)"
)

// unrun are the commands that no test runs, each with the reason and with what holds it instead.
var unrun = map[string]string{
	"export PATH=$PWD/bin:$PATH": "it is what the tests do before they type",
	"make run":                   "TestFirstSteps starts what it starts",
	"make build":                 building,
	"make test":                  building,
	"make test-real":             building,
	"make bench":                 building,
	"make deb":                   "make test-real makes the package (tools/package/deb) and installs it",
	"make docs":                  "tests hold its pages to the code, and write them with -update",
	"make vuln":                  "it needs the database of known faults of Go",
	"go test ./test/e2e -run StatesOfEarlierVersions": building,
	"tools/real/schemathesis run DIR":                 "make test-real runs it",
	"go list":                                         mentioned,
	"go tool pprof":                                   mentioned,
	"go test ./internal/batch/forecast -run 'TestM4Hourly|TestRequestRates' -v": building,
	"go test ./internal/batch/...":                                              building,
	"go test ./test/...":                                                        building,
	"go get github.com/hxp-enterprise/hxp/sdk":                                  "it asks the network for a module; TestExamples uses the package",
	"go doc github.com/hxp-enterprise/hxp/sdk":                                  "it is Go's own",
	"python -m …":                     mentioned,
	"kill -9":                         mentioned,
	"kill -HUP":                       mentioned,
	"tools/reproducible /usr/bin/hxp": "it needs the package and builds for minutes; make test-real compares two builds with it",

	"hxp topics reset my-group --to earliest --dry-run": "it needs a group of somebody else; TestGroups of internal/ingest resets one",

	"hxp bench NAME --duration 20s --json": measures,
	"hxp bench peers --unjoined":           measures,
	"hxp bench peers":                      measures,
	"hxp bench batch":                      measures,
	"hxp bench tap":                        measures,
	"hxp bench pipeline":                   measures,
	"hxp bench ingest":                     measures,
	"hxp bench latency":                    measures,
	"hxp bench streaming":                  measures,
	"hxp bench actions":                    measures,

	"sudo dpkg -i dist/hxp_*.deb":                        systemd,
	"sudo systemctl enable --now citadel-hxp":            systemd,
	"sudo cat /var/lib/citadel/admin.token":              systemd,
	"systemctl status citadel-hxp":                       systemd,
	"systemctl reload citadel-hxp":                       systemd,
	"systemctl reload":                                   systemd,
	"systemctl status airflow-scheduler":                 systemd,
	"journalctl -u airflow-scheduler -f":                 systemd,
	"journalctl -u citadel-hxp -p warning --since today": systemd,
	"journalctl -u citadel-hxp -n 100":                   systemd,
	"journalctl -k":                                      systemd,
	"sudo systemctl edit citadel-hxp":                    systemd,
	"sudo systemctl reload citadel-hxp":                  systemd,
	"sudo sed -i 's/log_level: INFO/log_level: DEBUG/' /opt/citadel/config/services/kafka-api.yaml": systemd,
	"apt remove hxp": systemd,
	"apt purge hxp":  systemd,
	"sudo -u citadel hxp doctor --env-file /etc/default/citadel":                                           systemd,
	"sudo systemctl status citadel-batch-processing-api":                                                   systemd,
	"sudo systemctl status airflow-scheduler":                                                              systemd,
	"sudo journalctl -u airflow-scheduler -n 200 --no-pager":                                               systemd,
	"sudo journalctl -u citadel-batch-processing-api.service --no-pager | grep aggregation":                systemd,
	"sudo journalctl -u citadel-batch-processing-api.service --no-pager | grep report":                     systemd,
	`sudo journalctl -u citadel-batch-processing-api.service --since "1 week ago" --no-pager | grep ERROR`: systemd,
	"sudo systemctl restart citadel-batch-processing-api.service":                                          systemd,

	"docker build -t hxp -f Containerfile .":                                                                 container,
	"export POSTGRES_PASSWORD=… GRAFANA_PASSWORD=…":                                                          container,
	"docker compose run --rm hxp auth token create --name admin --scope ingest,read,admin,act,approve":       container,
	"docker compose run --rm hxp auth token create --name prometheus --scope read >deploy/compose/hxp.token": container,
	"docker compose up -d":               container,
	"kubectl apply -f deploy/kubernetes": container,

	"keytool -importkeystore -srckeystore client.jks -destkeystore client.p12 -deststoretype PKCS12":                                  terminal,
	"openssl pkcs12 -in client.p12 -clcerts -nokeys -out hxp.pem":                                                                     terminal,
	"openssl pkcs12 -in client.p12 -nocerts -nodes -out hxp.key":                                                                      terminal,
	"createuser --pwprompt citadel_admin":                                                                                             terminal,
	"createdb --owner=citadel_admin citadel_ai":                                                                                       "it needs the user that the command before it makes",
	`acl() { kafka-acls.sh --bootstrap-server kafka1:9092 --command-config admin.properties --add --allow-principal User:hxp "$@"; }`: brokers,
	"acl --operation Read --operation Write --operation Create --operation DescribeConfigs --topic llm-requests --topic user-feedback --topic system-metrics --topic business-events": brokers,
	"acl --operation Read --operation Write --operation Create --operation DescribeConfigs --topic hxp- --resource-pattern-type prefixed":                                             brokers,
	"acl --operation Delete --operation Alter --topic hxp-panes":         brokers,
	"acl --operation Read --group hxp- --resource-pattern-type prefixed": brokers,

	"hxp lake ls --json > files.json": "TestRealSpark does it",
	"spark-submit deploy/spark/hourly_aggregation.py --files files.json --lake /var/lib/hxp/lake --from 2026-03-01T10:00:00Z --to 2026-03-01T12:00:00Z --output rows/ --format parquet": "TestRealSpark runs the script under Apache Spark",
	"vllm serve my-model --port 8001 --enable-force-include-usage --enable-prompt-tokens-details":                                                                                       "it needs vLLM and a GPU",
	"airflowctl auth login --api-token T --api-url http://localhost:8080 --skip-keyring":                                                                                                "TestRealAirflowClients does it",
	"airflowctl dags list": "TestRealAirflowClients does it",

	"cd examples/streamlit": notebook,
	"python3 -m venv .venv && .venv/bin/pip install -r requirements.txt": notebook,
	".venv/bin/streamlit run app.py -- --data-dir ../../data":            notebook,
	".venv/bin/jupyter execute hxp.ipynb":                                notebook,
}
