package app

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// Database says where aggregates and runs are kept.
type Database struct {
	URL      string `yaml:"url" env:"SQL_DATABASE_URL" secret:"url" doc:"sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME; hxp.db in the data folder when neither this nor SQL_DATABASE_ENDPOINT is set. It wins over SQL_DATABASE_ENDPOINT."`
	User     string `yaml:"user" env:"SQL_DATABASE_USER" default:"citadel_admin" doc:"User of the database at SQL_DATABASE_ENDPOINT."`
	Password string `yaml:"password" env:"SQL_DATABASE_PASSWORD" secret:"true" doc:"Password of the user; SQL_DATABASE_ENDPOINT needs it."`
	Name     string `yaml:"name" env:"SQL_DATABASE_NAME" default:"citadel_ai" doc:"Name of the database at SQL_DATABASE_ENDPOINT."`
}

const endpointPath = "monitoring.sql_database_endpoint"

// StoreURL is the database: what SQL_DATABASE_URL says, else PostgreSQL at SQL_DATABASE_ENDPOINT, else a file in the data folder.
func (c *Config) StoreURL() string {
	d, endpoint := c.Batch.Database, c.Batch.Monitoring.SQLEndpoint
	switch {
	case d.URL != "":
		return d.URL
	case endpoint != "" && d.Password != "":
		return (&url.URL{Scheme: "postgres", User: url.UserPassword(d.User, d.Password), Host: endpoint, Path: "/" + d.Name}).String()
	}
	return "sqlite:" + filepath.Join(c.DataDir, "hxp.db")
}

// checkDatabase finds what is wrong with the database that is named.
func (c *Config) checkDatabase(t *conf.Tree) []conf.Fault {
	d, endpoint := c.Batch.Database, c.Batch.Monitoring.SQLEndpoint
	path := endpointPath
	switch {
	case d.URL != "":
		path = "database.url"
	case endpoint == "":
		return nil
	case d.Password == "" && strings.HasPrefix(t.Origin(endpointPath), "env:"):
		return []conf.Fault{t.NewFault(path, "PostgreSQL at %s needs a password; set SQL_DATABASE_PASSWORD, or set SQL_DATABASE_URL to another database", endpoint)}
	case d.Password == "":
		return nil // see doubtDatabase
	default:
		if host, port, err := net.SplitHostPort(endpoint); err != nil || host == "" || port == "" {
			return []conf.Fault{t.NewFault(path, "%q is no address; write host:port", endpoint)}
		}
	}
	if err := store.CheckURL(c.StoreURL()); err != nil {
		return []conf.Fault{t.NewFault(path, "%v", err)}
	}
	return nil
}

// doubtDatabase warns of a database that is named and not used. The file of the specification names one of the systems around
// and no password; it must not keep a first try from starting.
func (c *Config) doubtDatabase(t *conf.Tree) {
	d, endpoint := c.Batch.Database, c.Batch.Monitoring.SQLEndpoint
	if d.URL == "" && endpoint != "" && d.Password == "" {
		t.Warn(endpointPath, "PostgreSQL at %s is not used, because there is no password for it (SQL_DATABASE_PASSWORD); SQLite in the data folder is", endpoint)
	}
}
