package app

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// The parts of a backup, which are its folders.
const (
	partData     = "data" // what has no part of its own
	partBroker   = "broker"
	partDatabase = "database"
	partLake     = "lake"
	partReports  = "reports"
	partArchive  = "archive"
)

const (
	databaseName = "hxp.db" // in its part
	stateDir     = "_state" // of the windows, in the lake's folder
)

// places are where the parts lie, as absolute paths; "" for one that is not in files of this machine.
type places struct {
	data, broker, database, lake, reports, archive string
	remoteLake                                     bool // lake is a folder of this machine that holds only the state of the windows
}

// places of the configuration.
func (c *Config) places() (p places, err error) {
	lakeDir, err := c.Batch.Lake.LocalDir(c.DataDir)
	if err != nil {
		return p, err
	}
	p = places{data: c.DataDir, lake: lakeDir, reports: c.Batch.ReportsDir, archive: c.Batch.Retention.ArchivalPath,
		remoteLake: strings.HasPrefix(c.Batch.Lake.URL, "s3://")}
	if p.reports == "" {
		p.reports = filepath.Join(c.DataDir, "reports")
	}
	switch {
	case p.archive == "":
		p.archive = filepath.Join(c.DataDir, "archive")
	case strings.HasPrefix(p.archive, "s3://"):
		p.archive = ""
	}
	p.archive = strings.TrimPrefix(p.archive, "file://")
	if c.topicsLie() {
		p.broker = filepath.Join(c.DataDir, "broker")
	}
	if file, err := store.FilePath(c.StoreURL()); err == nil {
		p.database = file
	}
	for _, path := range []*string{&p.data, &p.broker, &p.database, &p.lake, &p.reports, &p.archive} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return p, err
		}
	}
	return p, nil
}

// resolve follows links, so that a folder is known under one name, and one that is reached by a link is walked.
func (p *places) resolve() (err error) {
	for _, path := range []*string{&p.data, &p.broker, &p.database, &p.lake, &p.reports, &p.archive} {
		if *path == "" {
			continue
		}
		if *path, err = resolved(*path); err != nil {
			return err
		}
	}
	return nil
}

// resolved is a path without links, as far as it exists.
func resolved(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	above := filepath.Dir(path)
	if !errors.Is(err, fs.ErrNotExist) || above == path {
		return real, err
	}
	real, err = resolved(above)
	return filepath.Join(real, filepath.Base(path)), err
}

// externalBroker tells whether the topics lie on brokers of their own, as far as the configuration alone says so.
func (c *Config) externalBroker() bool {
	switch c.Broker {
	case "embedded":
		return false
	case "external":
		return true
	}
	for _, addr := range c.Bus().Bootstrap {
		if host, _, err := net.SplitHostPort(addr); err == nil && !loopback(host) {
			return true
		}
	}
	return c.Bus().Protocol != "PLAINTEXT"
}

// leftOut says what a backup cannot hold, and what makes a copy of it.
func (c *Config) leftOut(p places) (left []string) {
	if p.database == "" {
		left = append(left, `the database is PostgreSQL: pg_dump --format=custom --file=hxp.pgdump "$SQL_DATABASE_URL"`)
	}
	if p.remoteLake {
		left = append(left, "the raw events lie in "+c.Batch.Lake.URL+": copy the bucket, or switch its versions on")
	}
	if p.archive == "" {
		left = append(left, "the archive lies in "+c.Batch.Retention.ArchivalPath+": copy the bucket, or switch its versions on")
	}
	if hasRun := p.database == "" || exists(p.database); p.broker == "" || hasRun && !broker.HasLog(p.broker) {
		left = append(left, "the topics lie on the brokers at "+strings.Join(c.Bus().Bootstrap, ",")+": they need a copy of their own (MirrorMaker), or retention long enough to be read again")
	}
	return left
}

// elsewhere tells whether a path in the data folder belongs to another part, or to nothing that is kept.
func (p places) elsewhere(path string) bool {
	for _, dir := range []string{p.broker, p.lake, p.reports, p.archive, filepath.Join(p.data, "broker")} {
		if dir != "" && inside(path, dir) {
			return true
		}
	}
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		if p.database != "" && path == p.database+end {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// inside tells whether a path lies in a folder, or is it.
func inside(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}
