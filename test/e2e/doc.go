// Package e2e drives the real hxp binary from the outside, as its users do: the Kafka protocol, HTTP, the command line and
// signals. Nothing of hxp runs inside the tests; what they expect is folded by brute force from what they sent.
//
// What comes in: the binary, built once by TestMain into a temporary folder, or the one that HXP_TEST_BINARY names. Each instance runs on free loopback ports with
// its state in the test's folder, is killed by its process id when the test ends, and shows its log when the test failed.
//
// TestEndToEnd is one walk through one instance with the embedded broker. With HXP_REAL_KAFKA=host:port the same walk runs
// against that broker; models, hours and ids are new in each run, so a broker can be used again. `go test -short` leaves out
// what takes long: the trace and the kills.
//
// With HXP_TEST_POSTGRES the database, and with HXP_TEST_S3 (the URL of a server with a bucket hxp-test, its keys in AWS_…) the lake
// of each instance lie there.
//
// TestReal… run with HXP_REAL=1: strangers' clients on the embedded broker, a browser on the dashboard and a long crash
// test. Each names the variable that it misses when it skips: HXP_REAL_KCAT=1, HXP_REAL_KAFKA_TOOLS (a Java class path such
// as /x/libs/*), HXP_REAL_PYTHON (an interpreter that has confluent_kafka), HXP_REAL_CHROMIUM (a browser), HXP_REAL_AIRFLOW_CLIENTS (a
// virtual environment with apache-airflow-client and airflowctl), HXP_REAL_REGISTRY (an interpreter that has
// confluent_kafka with its serializers), HXP_REAL_READERS (an interpreter that has duckdb, pandas and
// pyarrow). tools/real/test-real
// installs these and sets the variables. HXP_TEST_DATA names a folder of traces with exact results in truth/.
package e2e
