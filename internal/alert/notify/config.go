package notify

import (
	"errors"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// Config is the section notifications of data-streaming-api.yaml. Who hears of what is configured over the API: PUT /notifications/config.
type Config struct {
	Alertmanagers []string `yaml:"alertmanager_url" env:"ALERTMANAGER_URL" doc:"Addresses of Alertmanagers, such as http://127.0.0.1:9093, all replicas of them: what hxp itself alerts of is sent to each and repeated every minute, as Prometheus does. None when empty. They are reached wherever they are"`
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
	if c.ExternalURL != "" {
		if err := deliver.CheckHook(c.ExternalURL); err != nil {
			errs = append(errs, fmt.Errorf("external_url: %w", err))
		}
	}
	return errors.Join(errs...)
}

// ParseMatchers reads conditions on labels, such as severity="critical".
func ParseMatchers(text string) (label.Matchers, error) { return label.Parse(text) }
