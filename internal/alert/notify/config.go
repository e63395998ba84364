package notify

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// Config is the section notifications of data-streaming-api.yaml. Who hears of what is configured over the API: PUT /notifications/config.
type Config struct {
	Alertmanagers []string `yaml:"alertmanager_url" env:"ALERTMANAGER_URL" doc:"Addresses of Alertmanagers, such as http://127.0.0.1:9093, all replicas of them: what hxp itself alerts of is sent to each and repeated every minute, as Prometheus does. None when empty. They are reached wherever they are"`
	SecretNames   []string `yaml:"secret_names" env:"HXP_NOTIFICATION_SECRET_NAMES" default:"HXP_NOTIFY_*,*_HOOK_SECRET" doc:"Variables of the environment that the configuration of notifications may name as secrets (env:NAME), with * for any characters. Whoever may put that configuration can have hxp send them anywhere"`
	SecretFolder  string   `yaml:"secret_folder" env:"HXP_NOTIFICATION_SECRET_FOLDER" doc:"Folder of the files that it may name as secrets (file:PATH), such as /run/secrets. None when empty. Links that lead out of it are not followed"`
	ExternalURL   string   `yaml:"external_url" env:"HXP_EXTERNAL_URL" doc:"Address under which people reach a page of hxp, such as that of the operations board; it stands in messages"`
}

// Validate reports what is wrong.
func (c Config) Validate() error {
	var errs []error
	for i, a := range c.Alertmanagers {
		if err := deliver.CheckHook(a); err != nil {
			errs = append(errs, fmt.Errorf("alertmanager_url: address %d: %w", i+1, err))
		}
	}
	for _, name := range c.SecretNames {
		if _, err := path.Match(name, ""); err != nil || len(strings.Trim(name, "*?")) < 4 {
			errs = append(errs, fmt.Errorf("secret_names: %q: write the name of a variable, or the beginning or end of names with at least four characters beside the *", name))
		}
	}
	if c.SecretFolder != "" && (!filepath.IsAbs(c.SecretFolder) || filepath.Clean(c.SecretFolder) == "/") {
		errs = append(errs, fmt.Errorf("secret_folder: %q: write the whole path of a folder that holds nothing else", c.SecretFolder))
	}
	if c.ExternalURL != "" {
		if err := deliver.CheckHook(c.ExternalURL); err != nil {
			errs = append(errs, fmt.Errorf("external_url: %w", err))
		}
	}
	return errors.Join(errs...)
}

// ParseMatchers reads conditions on labels, such as severity="critical".
func ParseMatchers(text string) (label.Matchers, error) { return label.Parse(text) }
