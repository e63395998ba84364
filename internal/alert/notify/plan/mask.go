package plan

import (
	"net/url"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// hidden stands for the path and the query of an address: many services put a token there.
const hidden = "/***"

// masked is an address as it is shown. Users in addresses are refused, so there is nothing else to hide.
func masked(address string) string {
	if !written(address) {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return hidden
	}
	if (u.Path == "" || u.Path == "/") && u.RawQuery == "" {
		return address
	}
	return u.Scheme + "://" + u.Host + hidden
}

// written tells whether an address stands in the document, rather than where it is.
func written(address string) bool {
	return !strings.HasPrefix(address, "env:") && !strings.HasPrefix(address, "file:")
}

// address checks an address. As it was shown it stands for the one that was shown so, known, so that what was shown can be changed and
// put again.
func (r *reader) address(text *string, known, at string) {
	if strings.HasSuffix(*text, hidden) && *text == masked(known) {
		*text = known
	}
	switch err := deliver.CheckHook(*text); {
	case err != nil:
		r.wrong(at, "%v", err)
	case strings.HasSuffix(*text, hidden):
		r.wrong(at, "%s stands for what is not shown, and no address of this receiver was shown so; write it in full, or where it is", hidden)
	}
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
