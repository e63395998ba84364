package plan

import "strings"

// hidden stands for the query of an address.
const hidden = "?***"

// masked is an address as it is shown. Users in addresses are refused, so there is nothing else to hide.
func masked(address string) string {
	if strings.HasPrefix(address, "env:") || strings.HasPrefix(address, "file:") {
		return address
	}
	if before, query, _ := strings.Cut(address, "?"); query != "" {
		return before + hidden
	}
	return address
}

// mask makes a document that can be shown. The ways of receivers are not to see it, so receivers are copied first.
func mask(c *Config) {
	c.Global.PagerDutyURL, c.Global.TelegramURL = masked(c.Global.PagerDutyURL), masked(c.Global.TelegramURL)
	for i := range c.Receivers {
		x := &c.Receivers[i]
		x.Webhooks = changed(x.Webhooks, func(w *Webhook) { w.URL = masked(w.URL) })
		x.PagerDutys = changed(x.PagerDutys, func(p *PagerDuty) { p.URL = masked(p.URL) })
		x.Telegrams = changed(x.Telegrams, func(t *Telegram) { t.APIURL = masked(t.APIURL) })
	}
}

// changed is a copy of a list with a change of each element.
func changed[T any](list []T, change func(*T)) []T {
	out := append([]T(nil), list...)
	for i := range out {
		change(&out[i])
	}
	return out
}
