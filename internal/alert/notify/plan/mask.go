package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// hidden stands for the path and the query of an address: many services put a token there. Some digits of a hash follow, which tell the addresses of
// one host apart and are far too few to find a token by.
const (
	hidden       = "/***"
	hiddenDigits = 6
)

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
	sum := sha256.Sum256([]byte(address))
	return u.Scheme + "://" + u.Host + hidden + hex.EncodeToString(sum[:])[:hiddenDigits]
}

// isMasked tells whether an address ends as one that is not shown.
func isMasked(address string) bool {
	if strings.HasSuffix(address, hidden) {
		return true
	}
	_, digits, ok := strings.Cut(address, hidden)
	return ok && len(digits) == hiddenDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// written tells whether an address stands in the document, rather than where it is.
func written(address string) bool {
	return !strings.HasPrefix(address, "env:") && !strings.HasPrefix(address, "file:")
}

// address checks an address. As it was shown it stands for the one of those known that was shown so, wherever that stood among them, so that what
// was shown can be changed and put again.
func (r *reader) address(text *string, known []string, at string) {
	if isMasked(*text) {
		var meant []string
		for _, k := range known {
			if masked(k) == *text && !slices.Contains(meant, k) {
				meant = append(meant, k)
			}
		}
		if len(meant) > 1 {
			r.wrong(at, "%s stands for several addresses of this receiver; write it in full, or where it is", *text)
			return
		}
		if len(meant) == 1 {
			*text = meant[0]
		}
	}
	switch err := deliver.CheckHook(*text); {
	case err != nil:
		r.wrong(at, "%v", err)
	case isMasked(*text):
		r.wrong(at, "%s stands for what is not shown, and no address of this receiver was shown as %s; write it in full, or where it is", hidden, *text)
	}
}

// addresses are those of the ways of a receiver by a channel.
func (p *Plan) addresses(receiver, channel string) (out []string) {
	t := p.targets[receiver]
	if t == nil {
		return nil
	}
	for _, w := range t.Ways {
		switch {
		case w.Channel != channel:
		case w.Webhook != nil:
			out = append(out, w.Webhook.URL)
		case w.PagerDuty != nil:
			out = append(out, w.PagerDuty.URL)
		case w.Telegram != nil:
			out = append(out, w.Telegram.APIURL)
		}
	}
	return out
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
