package app

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// topicsFile says in a data folder where the topics lay when hxp was started with it last. The setting auto decides anew at each start, by who
// answers at an address: a folder that is left of an embedded broker says nothing of that.
const topicsFile = "topics.at"

// inFolder is what it says of the embedded broker; else the addresses of the brokers stand there.
const inFolder = "embedded"

// noteTopics writes it.
func (set *settings) noteTopics(log *slog.Logger) error {
	at := inFolder
	if !set.embedded {
		if at = strings.Join(set.bus.Bootstrap, ","); broker.HasLog(set.broker.Dir) {
			log.Warn("a folder that is left of the embedded broker is not used; remove it when nobody needs its topics", "folder", set.broker.Dir, "brokers", at)
		}
	}
	path := filepath.Join(set.dataDir, topicsFile)
	if data, err := os.ReadFile(path); err == nil && string(data) == at+"\n" {
		return nil
	}
	if err := atomicfile.Write(path, []byte(at+"\n")); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// topicsLie tells whether the topics of a data folder are its own, as the configuration says or, where that leaves it open, as the last start found
// them.
func (c *Config) topicsLie() (inDir bool) {
	data, err := os.ReadFile(filepath.Join(c.DataDir, topicsFile))
	if c.Broker == "auto" && err == nil {
		return strings.TrimSpace(string(data)) == inFolder
	}
	return !c.externalBroker()
}
