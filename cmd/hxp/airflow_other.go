package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hxp-enterprise/hxp/internal/app"
)

func airflowTasks() *cobra.Command {
	cmd := group(&cobra.Command{Use: "tasks", Short: "Manage tasks", Example: "  airflow tasks list hxp_daily_aggregation"})
	list := &cobra.Command{Use: "list DAG", Short: "List the tasks of a DAG", Args: dagArg, Example: "  airflow tasks list hxp_daily_aggregation",
		RunE: func(cmd *cobra.Command, args []string) error {
			id := dagOf(cmd, args)
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct{ Tasks []airflowTask }
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(id)+"/tasks", nil, &answer); err != nil {
				return unknown(err, "Can not find dag '%s' in database", id)
			}
			for _, t := range answer.Tasks {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), t.ID); err != nil {
					return err
				}
			}
			return nil
		}}
	ignored(list, map[string]string{"subdir": "=S", "tree": "t"})
	states := &cobra.Command{Use: "states-for-dag-run DAG RUN", Short: "List the tasks of a run with their states", Args: cobra.ArbitraryArgs,
		Example: "  airflow tasks states-for-dag-run hxp_daily_aggregation scheduled__2026-03-02T00:00:00+00:00 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage(errors.New("airflow tasks states-for-dag-run: name a DAG and a run id"))
			}
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct {
				Tasks []struct {
					DagID     string     `json:"dag_id"`
					TaskID    string     `json:"task_id"`
					State     *string    `json:"state"`
					Logical   *time.Time `json:"logical_date"`
					StartDate *time.Time `json:"start_date"`
					EndDate   *time.Time `json:"end_date"`
				} `json:"task_instances"`
			}
			if err := c.Call(cmd.Context(), http.MethodGet, dagPath(args[0])+"/dagRuns/"+url.PathEscape(args[1])+"/taskInstances", nil, &answer); err != nil {
				return unknown(err, "DagRun for %s with run_id of %s not found", args[0], args[1])
			}
			var rows []airflowRow
			for _, t := range answer.Tasks {
				rows = append(rows, airflowRow{{"dag_id", t.DagID}, {"logical_date", pyISO(t.Logical)}, {"task_id", t.TaskID}, {"state", orNone(t.State)}, {"start_date", pyISO(t.StartDate)}, {"end_date", pyISO(t.EndDate)}})
			}
			return show(cmd, rows)
		}}
	outputFlag(states)
	cmd.AddCommand(list, states)
	return cmd
}

// airflowDB is `airflow db …`. The runs lie in the database of hxp, so that is what is made and checked.
func airflowDB() *cobra.Command {
	cmd := group(&cobra.Command{Use: "db", Short: "The database of the scheduler", Example: "  airflow db check"})
	check := &cobra.Command{Use: "check", Short: "Check that the database answers", Args: noArgs, Example: "  airflow db check",
		Long: "Checks the database in which hxp keeps its runs, and that of Apache Airflow as well where AIRFLOW_DB_CONNECTION names one.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			return told(cmd, cfg.AirflowDBCheck(cmd.Context(), quiet()), "Connection successful.")
		}}
	ignored(check, map[string]string{"retry": "=", "retry-delay": "="})
	cmd.AddCommand(check)
	for _, word := range []string{"init", "migrate", "upgrade", "check-migrations"} {
		make := &cobra.Command{Use: word, Short: "Make the tables of the database, or bring them up to date", Args: noArgs, Example: "  airflow db " + word,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := settings(cmd)
				if err != nil {
					return err
				}
				return told(cmd, cfg.AirflowDBMigrate(cmd.Context(), quiet()), "Database migrating done!")
			}}
		ignored(make, map[string]string{"yes": "y", "show-sql-only": "s", "to-version": "=n", "from-version": "=", "to-revision": "=r", "from-revision": "=", "migration-wait-timeout": "=t"})
		cmd.AddCommand(make)
	}
	return cmd
}

// told prints a line as the log of Airflow 3 does when nothing failed.
func told(cmd *cobra.Command, err error, line string) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s [info     ] %s         [hxp]\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), line)
	return err
}

// airflowUsers is `airflow users …`: who may ask for tokens and log in to the page.
func airflowUsers() *cobra.Command {
	cmd := group(&cobra.Command{Use: "users", Short: "Who may log in to the scheduler", Example: "  airflow users list"})
	create := &cobra.Command{Use: "create", Short: "Add a user, or give one another password", Args: noArgs,
		Long:    "Adds a user to the data folder; a running scheduler knows it at once. Without --password it is asked for.",
		Example: "  airflow users create --username admin --firstname Admin --lastname User --role Admin --email admin@citadel.ai --password …",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := cmd.Flags()
			u := app.AirflowUser{Name: f.Lookup("username").Value.String(), Role: f.Lookup("role").Value.String(), FirstName: f.Lookup("firstname").Value.String(),
				LastName: f.Lookup("lastname").Value.String(), Email: f.Lookup("email").Value.String()}
			if u.Name == "" || u.Role == "" {
				return usage(errors.New("airflow users create: the following arguments are required: -u/--username, -r/--role"))
			}
			password, err := passwordOf(cmd)
			if err != nil {
				return err
			}
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			vault, err := cfg.AirflowUsers()
			if err != nil {
				return err
			}
			if err := vault.AddUser(u, password); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "User \"%s\" created with role \"%s\"\n", u.Name, u.Role)
			return err
		}}
	f := create.Flags()
	f.StringP("username", "u", "", "name to log in with")
	f.StringP("firstname", "f", "", "first name")
	f.StringP("lastname", "l", "", "last name")
	f.StringP("email", "e", "", "mail address")
	f.StringP("role", "r", "", "Admin, Op, User, or Viewer, who only reads")
	f.StringP("password", "p", "", "password; asked for when it is not given")
	f.Bool("use-random-password", false, "not available: give one")
	list := &cobra.Command{Use: "list", Short: "List the users", Args: noArgs, Example: "  airflow users list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			vault, err := cfg.AirflowUsers()
			if err != nil {
				return err
			}
			users, err := vault.Users()
			if err != nil {
				return err
			}
			var rows []airflowRow
			for i, u := range users {
				rows = append(rows, airflowRow{{"id", fmt.Sprint(i + 1)}, {"username", u.Name}, {"email", u.Email}, {"first_name", u.FirstName}, {"last_name", u.LastName}, {"roles", u.Role}})
			}
			return show(cmd, rows)
		}}
	outputFlag(list)
	cmd.AddCommand(create, list)
	return cmd
}

// passwordOf is the password of the flag, or what is typed: hidden on a terminal, else the first line.
func passwordOf(cmd *cobra.Command) (string, error) {
	if p, _ := cmd.Flags().GetString("password"); p != "" {
		return p, nil
	}
	if f, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(cmd.ErrOrStderr(), "Password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		return string(b), err
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if p := strings.TrimRight(line, "\r\n"); p != "" {
		return p, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return "", usage(errors.New("airflow users create: give --password, or the password on standard input"))
}

func airflowJobs() *cobra.Command {
	cmd := group(&cobra.Command{Use: "jobs", Short: "The instances of the scheduler", Example: "  airflow jobs check"})
	check := &cobra.Command{Use: "check", Short: "Check that an instance of the scheduler lives", Args: noArgs, Example: "  airflow jobs check --job-type SchedulerJob",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := airflowClient(cmd)
			if err != nil {
				return err
			}
			var answer struct {
				Total int `json:"total_entries"`
			}
			if err := c.Call(cmd.Context(), http.MethodGet, "/api/v2/jobs?job_state=running", nil, &answer); err != nil {
				return err
			}
			switch answer.Total {
			case 0:
				return errors.New("no alive jobs found")
			case 1:
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "Found one alive job.")
			default:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "Found %d alive jobs.\n", answer.Total)
			}
			return err
		}}
	ignored(check, map[string]string{"job-type": "=", "hostname": "=", "local": "", "limit": "=", "allow-multiple": ""})
	cmd.AddCommand(check)
	return cmd
}

func airflowVersion() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version of Airflow whose API hxp answers as", Args: noArgs, Example: "  airflow version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s (hxp %s)\n", app.AirflowVersion, app.Version)
			return err
		}}
}

// airflowServices are the commands that start a service of Airflow. hxp up and hxp run scheduler serve all of them, so each says what is
// there already or how to start it.
func airflowServices() []*cobra.Command {
	var out []*cobra.Command
	for name, part := range map[string]string{
		"webserver": "the page and the API", "api-server": "the page and the API", "scheduler": "the scheduler", "triggerer": "waiting tasks", "dag-processor": "the DAGs", "standalone": "all of Airflow",
	} {
		cmd := &cobra.Command{Use: name, Short: "Say how hxp serves " + part, Args: noArgs, Example: "  airflow " + name + " --daemon",
			RunE: func(cmd *cobra.Command, _ []string) error { return serviceOf(cmd, name, part) }}
		ignored(cmd, map[string]string{"daemon": "D", "debug": "d", "skip-serve-logs": "s", "do-pickle": "", "pid": "=", "log-file": "=", "stdout": "=", "stderr": "=", "port": "=p", "hostname": "=H", "host": "=",
			"workers": "=w", "worker-timeout": "=t", "num-runs": "=n", "access-logfile": "=A", "error-logfile": "=E", "apps": "=", "capacity": "="})
		out = append(out, cmd)
	}
	return out
}

func serviceOf(cmd *cobra.Command, name, part string) error {
	w := cmd.OutOrStdout()
	cfg, err := settings(cmd)
	if err != nil {
		return err
	}
	c, err := cfg.AirflowClient()
	if err == nil {
		ctx, stop := context.WithTimeout(cmd.Context(), 5*time.Second)
		defer stop()
		err = c.Call(ctx, http.MethodGet, "/api/v2/dags?limit=1", nil, nil)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "airflow %s: hxp runs already and serves %s at %s\n", name, part, c.URL())
		return err
	}
	_, err = fmt.Fprintf(w, "airflow %s: hxp serves %s itself; start it with `hxp up`, or alone with `hxp run scheduler`, as a service of systemd where it is to stay\n", name, part)
	return err
}
