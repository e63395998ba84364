package batch

import (
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
)

// Costing is what operators set of costs.
type Costing struct {
	AccountID   string `yaml:"account_id" env:"COSTS_ACCOUNT_ID" default:"hxp" doc:"BillingAccountId of the FOCUS export"`
	AccountName string `yaml:"account_name" env:"COSTS_ACCOUNT_NAME" default:"hxp" doc:"BillingAccountName of the FOCUS export"`
	Provider    string `yaml:"provider" env:"COSTS_PROVIDER" default:"LLM platform" doc:"ProviderName and PublisherName of the FOCUS export: who runs the models"`
	Issuer      string `yaml:"issuer" env:"COSTS_ISSUER" default:"LLM platform" doc:"InvoiceIssuerName of the FOCUS export: who charges for them"`

	PriceFile     string `yaml:"price_file" env:"COSTS_PRICE_FILE" doc:"file of prices, YAML or JSON: what PUT /prices takes, or LiteLLM's list. It is put into the price book at the start and on SIGHUP, where it wins over what was put there for the same model and effective_from; docs/costs.md"`
	PriceFileFrom string `yaml:"price_file_from" env:"COSTS_PRICE_FILE_FROM" doc:"day or RFC 3339 time from which the prices of price_file hold that name no effective_from: LiteLLM's list names none"`

	SelfHosted []cost.Pool   `yaml:"self_hosted" doc:"own GPUs and what they cost"`
	Budgets    []cost.Budget `yaml:"budgets" doc:"what may be spent in a month"`
}

func costingDefaults() Costing {
	return Costing{AccountID: "hxp", AccountName: "hxp", Provider: "LLM platform", Issuer: "LLM platform"}
}

// Account is what the FOCUS export says of the account.
func (c *Costing) Account() cost.Account {
	return cost.Account{ID: c.AccountID, Name: c.AccountName, Provider: c.Provider, Issuer: c.Issuer}
}

// pricesFrom is when the undated prices of the file begin to hold; the zero time when nobody says.
func (c *Costing) pricesFrom() (time.Time, error) {
	if c.PriceFileFrom == "" {
		return time.Time{}, nil
	}
	return cost.ParseTime(c.PriceFileFrom)
}

// ReadPrices reads the file of prices; nil when none is named.
func (c *Costing) ReadPrices() (*cost.Document, error) {
	from, err := c.pricesFrom()
	if c.PriceFile == "" || err != nil { // validate tells
		return nil, nil
	}
	text, err := conf.ReadJSON(c.PriceFile, cost.MaxBytes)
	if err != nil {
		return nil, err
	}
	return cost.Read(text, from)
}

func (c *Costing) validate() error {
	var errs []error
	for path, v := range map[string]string{"account_id": c.AccountID, "account_name": c.AccountName, "provider": c.Provider, "issuer": c.Issuer} {
		if v == "" {
			errs = append(errs, fmt.Errorf("costs.%s: empty; the FOCUS export must name it", path))
		}
	}
	if _, err := c.pricesFrom(); err != nil {
		errs = append(errs, fmt.Errorf("costs.price_file_from: %w", err))
	}
	if err := cost.CheckPools(c.SelfHosted); err != nil {
		errs = append(errs, fmt.Errorf("costs.self_hosted: %w", err))
	}
	if err := cost.CheckBudgets(c.Budgets); err != nil {
		errs = append(errs, fmt.Errorf("costs.budgets: %w", err))
	}
	return errors.Join(errs...)
}
