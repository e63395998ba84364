package app

import (
	"cmp"
	"context"
	"path/filepath"
	"time"

	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/batch/airflow"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/serve/dashboard"
)

// Airflow is the section airflow of batch-processing-api.yaml: the scheduler's page and API, and the commands under the name airflow.
type Airflow struct {
	Home          string `yaml:"home" env:"AIRFLOW_HOME" doc:"Folder of Apache Airflow: where its DAG file is said to lie (dags/hxp_batch_processing.py); airflow in the data folder when empty. Users and passwords lie in the data folder always."`
	DBConnection  string `yaml:"db_connection" env:"AIRFLOW_DB_CONNECTION" secret:"url" doc:"Database of Apache Airflow. Used by airflow db check alone; hxp keeps its runs in its own database."`
	Executor      string `yaml:"executor" env:"AIRFLOW_EXECUTOR" default:"LocalExecutor" doc:"Read and shown; the built-in scheduler has no executors."`
	LoadExamples  bool   `yaml:"load_examples" env:"AIRFLOW_LOAD_EXAMPLES" default:"false" doc:"Read and shown; there are no examples to load."`
	WebserverPort int    `yaml:"webserver_port" env:"AIRFLOW_WEBSERVER_PORT" default:"8080" min:"0" max:"65535" doc:"Port of the scheduler's page and of the API that Airflow's clients use; 0 takes a free one."`
	WebserverHost string `yaml:"webserver_host" env:"AIRFLOW_WEBSERVER_HOST,HXP_BIND" flag:"bind" default:"127.0.0.1" doc:"Address of the scheduler's page and API. Anything but loopback needs authentication or insecure."`
}

// Vault is the folder of the users and the key of the scheduler's API.
func (c *Config) Vault() string { return filepath.Join(c.DataDir, "airflow") }

// scheduler is what the scheduler's API and page are told of the installation. The page needs no login where nobody but this machine
// reaches it, or where the operator lets everybody in.
func (c *Config) scheduler() airflow.Config {
	home := c.Batch.Airflow.Home
	if home == "" {
		home = c.Vault()
	}
	return airflow.Config{
		Dir: c.Vault(), Home: home, Version: Version, Workers: c.Batch.Processing.Workers,
		Open: c.TokensFile == "" && (loopback(c.Batch.Airflow.WebserverHost) || c.Insecure),
	}
}

func (s *system) buildScheduler(context.Context) (run.Service, error) {
	cfg := s.set.scheduler
	s.useTokens(&cfg)
	api, err := airflow.New(cfg, s.batch, s.log.With("service", Scheduler), time.Now)
	if err != nil {
		return nil, err
	}
	log := s.log.With("service", Scheduler)
	checks := s.busChecks()
	checks["store"] = s.checkStore
	var failed error
	srv, err := s.server(Scheduler, "The scheduler as Apache Airflow 3 shows itself: its API, and a page at /.", checks, func(m *httpx.Mux) {
		api.Mount(m)
		failed = dashboard.MountScheduler(m, dashboard.Config{Environment: s.set.serve.Environment, Version: Version, Links: s.allURLs, Log: log})
	})
	if failed != nil {
		return nil, failed
	}
	return srv, err
}

// buildUsers is the part that follows the users of the scheduler, whom commands make beside it.
func (s *system) buildUsers(context.Context) (run.Service, error) {
	vault, err := airflow.OpenVault(s.set.scheduler.Dir)
	return users{s, vault}, err
}

type users struct {
	*system
	vault *airflow.Vault
}

// Run tells the audit who was made, changed and removed.
func (u users) Run(ctx context.Context) error {
	return u.vault.Follow(ctx, func(list []airflow.UserChange) {
		until := time.Now().Add(noteWithin)
		for _, c := range list {
			u.note(time.Until(until), audit.Record{Who: "the files of the scheduler", Service: Scheduler, What: "user " + c.What, Target: cmp.Or(c.After, c.Before).Name, Before: sideOf(c.Before), After: sideOf(c.After)})
		}
	})
}
