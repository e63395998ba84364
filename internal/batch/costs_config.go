package batch

import (
	"errors"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// Costing is what operators set of costs.
type Costing struct {
	AccountID   string `yaml:"account_id" env:"COSTS_ACCOUNT_ID" default:"hxp" doc:"BillingAccountId of the FOCUS export"`
	AccountName string `yaml:"account_name" env:"COSTS_ACCOUNT_NAME" default:"hxp" doc:"BillingAccountName of the FOCUS export"`
	Provider    string `yaml:"provider" env:"COSTS_PROVIDER" default:"LLM platform" doc:"ProviderName and PublisherName of the FOCUS export: who runs the models"`
	Issuer      string `yaml:"issuer" env:"COSTS_ISSUER" default:"LLM platform" doc:"InvoiceIssuerName of the FOCUS export: who charges for them"`

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

func (c *Costing) validate() error {
	var errs []error
	for path, v := range map[string]string{"account_id": c.AccountID, "account_name": c.AccountName, "provider": c.Provider, "issuer": c.Issuer} {
		if v == "" {
			errs = append(errs, fmt.Errorf("costs.%s: empty; the FOCUS export must name it", path))
		}
	}
	if err := cost.CheckPools(c.SelfHosted); err != nil {
		errs = append(errs, fmt.Errorf("costs.self_hosted: %w", err))
	}
	if err := cost.CheckBudgets(c.Budgets); err != nil {
		errs = append(errs, fmt.Errorf("costs.budgets: %w", err))
	}
	return errors.Join(errs...)
}
