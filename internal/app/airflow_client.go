package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/airflow"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// AirflowClient talks to the API of a running scheduler, for the commands under the name airflow.
type AirflowClient struct {
	base, token string
	http        *http.Client
}

// AirflowClient reaches the scheduler that the configuration names. The token is AIRFLOW_CLI_TOKEN, else that of the other commands, else one is
// signed with the key in the data folder: who may read that may do everything anyway.
func (c *Config) AirflowClient() (*AirflowClient, error) {
	base, err := c.baseURL(Scheduler)
	if errors.Is(err, errPortNotFixed) {
		return nil, errors.New("the port of the scheduler is not known: AIRFLOW_WEBSERVER_PORT is 0; set it to the port that hxp up printed")
	}
	if err != nil {
		return nil, err
	}
	client, err := c.client(time.Minute)
	if err != nil {
		return nil, err
	}
	a := &AirflowClient{base: base, token: os.Getenv("AIRFLOW_CLI_TOKEN"), http: client}
	if a.token == "" {
		if a.token, err = c.token(); err != nil {
			return nil, err
		}
	}
	if a.token != "" {
		return a, nil
	}
	vault, err := airflow.ReadVault(c.Vault())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the data folder %s is not that of a running scheduler: it has no key for tokens; start hxp up, or name the folder with HXP_DATA_DIR, or set AIRFLOW_CLI_TOKEN or HXP_TOKEN", c.DataDir)
	}
	if err != nil {
		return nil, err
	}
	who := airflow.User{Name: "cli", Role: "Admin"}
	if u, err := user.Current(); err == nil {
		who.Name = u.Username
	}
	a.token = vault.Token(who, "cli", time.Now(), time.Hour)
	return a, nil
}

// URL is where the scheduler's page and API are.
func (a *AirflowClient) URL() string { return a.base }

// AirflowError is a refusal of the scheduler.
type AirflowError struct {
	Status int
	Detail string
}

func (e *AirflowError) Error() string { return e.Detail }

// Call sends a request and reads the answer into into (nil: it is not looked at).
func (a *AirflowClient) Call(ctx context.Context, method, path string, body, into any) error {
	var in io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, in)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := a.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("nothing answers at %s (AIRFLOW_WEBSERVER_HOST, AIRFLOW_WEBSERVER_PORT): %w; start hxp up, or hxp run scheduler", a.base, explainTLS(errors.Unwrap(err)))
	}
	defer func() { _ = res.Body.Close() }() // read to its end, or of no use
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= 300 {
		return refusal(res.StatusCode, data)
	}
	if into == nil || len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s answered what is not understood: %w; is it hxp of this version?", a.base, err)
	}
	return nil
}

// refusal reads the detail of an error answer: a sentence, an object with a message, or a list of flaws.
func refusal(status int, data []byte) error {
	var answer struct{ Detail json.RawMessage }
	var text string
	var object struct{ Message string }
	var flaws []struct {
		Loc []any
		Msg string
	}
	e := &AirflowError{Status: status, Detail: fmt.Sprintf("the scheduler answered %d", status)}
	switch {
	case json.Unmarshal(data, &answer) != nil || len(answer.Detail) == 0:
	case json.Unmarshal(answer.Detail, &text) == nil:
		e.Detail = text
	case json.Unmarshal(answer.Detail, &object) == nil && object.Message != "":
		e.Detail = object.Message
	case json.Unmarshal(answer.Detail, &flaws) == nil && len(flaws) > 0:
		e.Detail = fmt.Sprintf("%v: %s", flaws[0].Loc[len(flaws[0].Loc)-1], flaws[0].Msg)
	}
	if status == http.StatusUnauthorized {
		e.Detail += ": the token does not fit this scheduler; name its data folder with HXP_DATA_DIR, or set AIRFLOW_CLI_TOKEN"
	}
	return e
}

// AirflowUsers opens the users of the data folder, also beside a running instance.
func (c *Config) AirflowUsers() (*airflow.Vault, error) { return airflow.OpenVault(c.Vault()) }

// AirflowUser is one who may log in.
type AirflowUser = airflow.User

// ParseAirflowTime reads a time as Airflow's commands take it.
func ParseAirflowTime(text string) (time.Time, error) { return airflow.ParseTime(text) }

// AirflowVersion is the Airflow whose API the scheduler answers as.
const AirflowVersion = airflow.AnswersAs

// AirflowDBCheck tells whether the database of hxp answers, and that of Apache Airflow where one is named.
func (c *Config) AirflowDBCheck(ctx context.Context, log *slog.Logger) error {
	ctx, stop := context.WithTimeout(ctx, dbPatience)
	defer stop()
	if err := store.Reach(ctx, c.StoreURL(), log); err != nil {
		return fmt.Errorf("the database of hxp: %w", err)
	}
	scheme, rest, _ := strings.Cut(c.Batch.Airflow.DBConnection, "://")
	kind, _, _ := strings.Cut(scheme, "+") // postgresql+psycopg2
	switch kind {
	case "":
		return nil
	case "postgres", "postgresql":
		if err := store.Reach(ctx, "postgres://"+rest, log); err != nil {
			return fmt.Errorf("AIRFLOW_DB_CONNECTION, the database of Apache Airflow: %w", err)
		}
		return nil
	case "sqlite":
		if _, err := os.Stat(strings.TrimPrefix(rest, "/")); err != nil {
			return fmt.Errorf("AIRFLOW_DB_CONNECTION, the database of Apache Airflow: %w", err)
		}
		return nil
	}
	return fmt.Errorf("AIRFLOW_DB_CONNECTION: a database of the kind %q is not looked at; postgresql and sqlite are", kind)
}

// dbPatience is how long a person waits for a database.
const dbPatience = 10 * time.Second

// AirflowDBMigrate brings the tables of hxp up to date; runs, pauses and backfills lie there.
func (c *Config) AirflowDBMigrate(ctx context.Context, log *slog.Logger) error {
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	st, err := store.Open(ctx, c.StoreURL(), log)
	if err != nil {
		return err
	}
	return st.Close()
}
