package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fault is something that is wrong with a part around hxp, and what the doctor must say of it.
type fault struct {
	what  string
	env   []string // in place of what is well
	name  string   // of the only check that fails
	words []string // of what it says, and of its cure
}

// examined holds hxp doctor to what is well and to faults: each is told once, with its cure, and no secret with it.
func examined(t *testing.T, well []string, check string, secrets []string, faults ...fault) {
	t.Helper()
	if c := doctor(t, aside(t, well...), 0)[check]; c.Status != "ok" {
		t.Errorf("what is well: %s is %+v", check, c)
	}
	for _, f := range faults {
		t.Run(f.what, func(t *testing.T) {
			fails(t, doctor(t, append(aside(t, well...), f.env...), 1), f.name, secrets, f.words...)
		})
	}
}

// aside are the settings of an hxp that does not run, in a folder of its own.
func aside(t *testing.T, more ...string) []string {
	t.Helper()
	env := append(cleanEnv(), "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0", "HXP_DATA_DIR="+filepath.Join(t.TempDir(), "data"))
	for _, p := range ports {
		env = append(env, p+"=0")
	}
	return append(env, more...)
}

// fails wants one finding to fail and no other, and words in it.
func fails(t *testing.T, found map[string]check, name string, secrets []string, words ...string) {
	t.Helper()
	if c := found[name]; c.Status == "fail" {
		t.Logf("%s: %s; cure: %s", name, c.Detail, c.Cure)
	}
	wants(t, name, found[name].Detail+" "+found[name].Cure, words...)
	for _, c := range found {
		if (c.Status == "fail") != (c.Name == name) {
			t.Errorf("%+v; %s alone should fail", c, name)
		}
		for _, s := range secrets {
			if strings.Contains(c.Detail+c.Cure, s) {
				t.Errorf("%s shows a secret: %+v", c.Name, c)
			}
		}
	}
	if _, known := found[name]; !known {
		t.Errorf("%s was not looked at: %v", name, found)
	}
}

func TestDoctorOnPostgres(t *testing.T) {
	if os.Getenv("HXP_TEST_POSTGRES") == "" {
		t.Skip("only with PostgreSQL (HXP_TEST_POSTGRES)")
	}
	here := database(t)
	u, err := url.Parse(here)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	secrets, well := []string{password, "pl4nted"}, []string{"SQL_DATABASE_URL=" + here}
	other := func(change func(*url.URL)) []string {
		u := *u
		change(&u)
		return []string{"SQL_DATABASE_URL=" + u.String()}
	}
	as := func(user string) []string {
		return other(func(u *url.URL) { u.User = url.UserPassword(user, "pl4nted") })
	}
	examined(t, well, "database", secrets,
		fault{"wrong password", as(u.User.Username()), "database", []string{"check the user and the password", "SQL_DATABASE_PASSWORD"}},
		fault{"wrong user", as("hxp_stranger"), "database", []string{"check the user and the password", "SQL_DATABASE_USER"}},
		fault{"unreachable", other(func(u *url.URL) { u.Host = freeAddress(t) }), "database", []string{"connection refused", "SQL_DATABASE_URL"}})

	server := connect(t, here)
	pooled := server.pooled(t, u.Port())
	if !pooled { // a pooler takes the connection before it knows, and goes on trying
		examined(t, well, "database", secrets,
			fault{"no such database", other(func(u *url.URL) { u.Path = "/hxp_none" }), "database", []string{"hxp_none", "create the database"}})
	}
	t.Run("schemas of other releases", func(t *testing.T) {
		h := prepare(t, "127.0.0.1:0")
		h.sql = here
		h.up(t)
		if code := h.stop(t); code != 0 {
			t.Fatalf("exit %d", code)
		}
		server.run(t, "CREATE TABLE kept AS SELECT * FROM hxp_migrations ORDER BY number DESC LIMIT 1", "DELETE FROM hxp_migrations WHERE number = (SELECT number FROM kept)")
		if c := doctor(t, aside(t, well...), 0)["schema of the database"]; c.Status != "warn" || !strings.Contains(c.Detail, "1 steps behind") || !strings.Contains(c.Cure, "backup") {
			t.Errorf("one before: %+v", c)
		}
		server.run(t, "INSERT INTO hxp_migrations SELECT * FROM kept", "INSERT INTO hxp_migrations (number, name, sha256, applied_at) VALUES (9000, 'of_tomorrow', 'x', 0)")
		fails(t, doctor(t, aside(t, well...), 1), "schema of the database", secrets, "newer hxp", "SQL_DATABASE_URL")
		server.run(t, "DELETE FROM hxp_migrations WHERE number = 9000") // the cure: the hxp that made it
		examined(t, well, "schema of the database", secrets)
	})
	if pooled {
		return // a pooler has a list of users of its own, and connections from before
	}
	t.Run("a user who may make no tables", func(t *testing.T) { // what PostgreSQL lets everybody do since 15
		there, server := *u, connect(t, here)
		user := "hxp_" + strings.ToLower(rand.Text())
		there.Path, there.User = "/"+user, url.UserPassword(user, "pl4nted")
		server.run(t, "CREATE ROLE "+user+" LOGIN PASSWORD 'pl4nted'", "CREATE DATABASE "+user)
		t.Cleanup(func() { server.run(t, "DROP DATABASE "+user+" WITH (FORCE)", "DROP ROLE "+user) })
		env := []string{"SQL_DATABASE_URL=" + there.String()}
		fails(t, doctor(t, aside(t, env...), 1), "schema of the database", secrets, "may not make tables", "let the user own the database")
		server.run(t, "ALTER DATABASE "+user+" OWNER TO "+user) // the cure
		examined(t, env, "schema of the database", secrets)
	})
	t.Run("a clock that is off", func(t *testing.T) { // the server says ours in place of its own
		there := database(t)
		connect(t, there).run(t, "CREATE SCHEMA wrong",
			"CREATE FUNCTION wrong.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.now() + interval ''10 minutes'''",
			"ALTER DATABASE "+there[strings.LastIndex(there, "/")+1:]+" SET search_path TO wrong, pg_catalog, public")
		fails(t, doctor(t, aside(t, "SQL_DATABASE_URL="+there), 1), "clock of the database", secrets, "10m0s apart", "NTP")
	})
}

// sql is a connection of a test.
type sql struct{ *pgx.Conn }

func connect(t *testing.T, database string) sql {
	t.Helper()
	c, err := pgx.Connect(context.Background(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return sql{c}
}

func (s sql) run(t *testing.T, statements ...string) {
	t.Helper()
	for _, text := range statements {
		if _, err := s.Exec(context.Background(), text, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// pooled tells whether something stands between a port and the server.
func (s sql) pooled(t *testing.T, port string) bool {
	t.Helper()
	var of int
	if err := s.QueryRow(context.Background(), "SELECT inet_server_port()", pgx.QueryExecModeSimpleProtocol).Scan(&of); err != nil {
		t.Fatal(err)
	}
	return port != fmt.Sprint(of)
}

func TestDoctorOnS3(t *testing.T) {
	server := os.Getenv("HXP_TEST_S3")
	if server == "" {
		t.Skip("only with an S3 server (HXP_TEST_S3)")
	}
	secrets := []string{os.Getenv("AWS_SECRET_ACCESS_KEY"), "pl4nted"}
	examined(t, []string{"HXP_LAKE_URL=" + lakeURL(), "HXP_LAKE_S3_ENDPOINT=" + server}, "object storage", secrets,
		fault{"wrong secret", []string{"AWS_SECRET_ACCESS_KEY=pl4nted"}, "object storage", []string{"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}},
		fault{"wrong key", []string{"AWS_ACCESS_KEY_ID=stranger"}, "object storage", []string{"No user", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}},
		fault{"no such bucket", []string{"HXP_LAKE_URL=s3://hxp-none/lake"}, "object storage", []string{"no bucket hxp-none", "make it, or name another in HXP_LAKE_URL"}},
		fault{"unreachable", []string{"HXP_LAKE_S3_ENDPOINT=http://" + freeAddress(t)}, "object storage", []string{"connection refused", "HXP_LAKE_S3_ENDPOINT"}})
}

func TestOnKafkaDoctor(t *testing.T) {
	k := realKafka(t)
	user, cert := envLines(t, filepath.Join(k.state, "sasl.env")), envLines(t, filepath.Join(k.state, "ssl.env"))
	secrets := []string{"pl4nted"}
	for _, setting := range user {
		if name, value, _ := strings.Cut(setting, "="); name == "KAFKA_SASL_PASSWORD" {
			secrets = append(secrets, value)
		}
	}
	to := func(address string, more ...string) []string {
		return append([]string{"KAFKA_BOOTSTRAP_SERVERS=" + address}, more...)
	}
	examined(t, to(k.sasl, user...), "broker", secrets,
		fault{"wrong name in TLS", []string{"KAFKA_SSL_SERVER_NAME=kafka.example"}, "broker", []string{`not for "kafka.example"`, "KAFKA_SSL_SERVER_NAME"}},
		fault{"unknown authority", []string{"KAFKA_SSL_CA_FILE=" + filepath.Join(k.state, "client.pem")}, "broker", []string{"signed by nobody known", "KAFKA_SSL_CA_FILE"}},
		fault{"wrong password", []string{"KAFKA_SASL_PASSWORD=pl4nted"}, "broker", []string{"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"}},
		fault{"another mechanism", []string{"KAFKA_SASL_MECHANISM=SCRAM-SHA-256"}, "broker", []string{"offers SCRAM-SHA-512", "KAFKA_SASL_MECHANISM"}},
		fault{"TLS towards a plain port", to(k.plain), "broker", []string{"KAFKA_SECURITY_PROTOCOL"}},
		fault{"unreachable", to(freeAddress(t)), "broker", []string{"is it running?", "KAFKA_BOOTSTRAP_SERVERS"}})
	examined(t, to(k.ssl, cert...), "broker", secrets,
		fault{"no certificate", []string{"KAFKA_SSL_CERT_FILE=", "KAFKA_SSL_KEY_FILE="}, "broker", []string{"KAFKA_SSL_CERT_FILE"}})
	examined(t, to(k.plain), "broker", secrets,
		fault{"plain towards a TLS port", to(k.sasl), "broker", []string{"KAFKA_SECURITY_PROTOCOL=SASL_SSL", "KAFKA_SASL_MECHANISM=SCRAM-SHA-512"}})

	// A user without rights: the commands that the doctor names give them.
	name := "hxp-" + strings.ToLower(rand.Text())
	tool(t, "", "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", os.Getenv("HXP_REAL_KAFKA_TOOLS"), "kafka.admin.ConfigCommand", "--bootstrap-server", k.plain,
		"--alter", "--add-config", "SCRAM-SHA-512=[password=pl4nted]", "--entity-type", "users", "--entity-name", name)
	k.java(t, "owner", "", "TopicCommand", "--create", "--if-not-exists", "--topic", "llm-requests", "--partitions", "3")
	env := aside(t, append(to(k.sasl, user...), "KAFKA_SASL_USERNAME="+name, "KAFKA_SASL_PASSWORD=pl4nted")...)
	found := doctor(t, env, 1)
	fails(t, found, "topics", secrets, "Read on", "Write on", "DescribeConfigs on", "llm-requests", "User:"+name)
	_, commands, _ := strings.Cut(found["topics"].Detail, "give them with: ")
	for command := range strings.SplitSeq(commands, " && ") {
		args := strings.Fields(strings.ReplaceAll(command, "'", ""))
		if len(args) < 4 || args[0] != "kafka-acls" || args[1] != "--bootstrap-server" {
			t.Fatalf("the command is %q", command)
		}
		k.java(t, "owner", "", "AclCommand", args[3:]...)
	}
	if c := doctor(t, env, 0)["topics"]; strings.Contains(c.Detail, "lacks rights") {
		t.Errorf("after what it said: %+v", c)
	}

	t.Run("a clock that is ahead", func(t *testing.T) { // of whoever writes to one of hxp's topics, which hxp makes anew at its next start
		k.java(t, "owner", "", "TopicCommand", "--create", "--if-not-exists", "--topic", "hxp-late", "--partitions", "3")
		defer k.java(t, "owner", "", "TopicCommand", "--delete", "--topic", "hxp-late")
		c, err := kgo.NewClient(kgo.SeedBrokers(k.plain))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "hxp-late", Value: []byte("{}"), Timestamp: time.Now().Add(10 * time.Minute)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if c := doctor(t, aside(t, to(k.plain)...), 1)["clock and brokers"]; c.Status != "fail" || !strings.Contains(c.Detail, "apart") || !strings.Contains(c.Cure, "NTP") {
			t.Errorf("%+v", c)
		}
	})
}
