package stream

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// names tells models and tenants apart up to a budget; the rest count under otherName, so that a stranger who sends a
// million names costs bounded memory and the totals stay exact.
type names struct {
	keys            keys
	models, tenants map[string]bool
	maxModels       int
	maxTenants      int
	overflow        agg.Distinct // which models and tenants did not fit
}

func newNames(c *Config) *names {
	return &names{keys: keys{ids: map[agg.Key]uint32{}}, models: map[string]bool{}, tenants: map[string]bool{}, maxModels: c.MaxModels, maxTenants: c.MaxTenants}
}

func (n *names) id(model, tenant string) uint32 {
	if id, ok := n.keys.ids[agg.Key{Model: model, Tenant: tenant}]; ok {
		return id
	}
	model, tenant = admit(n.models, model, n.maxModels, n), admit(n.tenants, tenant, n.maxTenants, n)
	return n.keys.id(agg.Key{Model: model, Tenant: tenant})
}

func admit(known map[string]bool, name string, most int, n *names) string {
	switch {
	case name == "" || known[name]:
		return name
	case len(known) >= most:
		n.overflow.Add(name)
		return otherName
	}
	known[strings.Clone(name)] = true
	return name
}
