package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func (s *Sender) webhook(ctx context.Context, w *plan.Way, m *Message) error {
	x := w.Webhook
	address := x.URL
	if strings.HasPrefix(address, "env:") || strings.HasPrefix(address, "file:") {
		read, err := s.Vault.Read(address)
		if err != nil {
			return &deliver.Failure{Err: err}
		}
		if address = read; deliver.CheckHook(address) != nil {
			return &deliver.Failure{Err: deliver.CheckHook(address), Final: true}
		}
	}
	d := *m.Data
	if x.MaxAlerts > 0 && len(d.Alerts) > x.MaxAlerts {
		d.TruncatedAlerts += len(d.Alerts) - x.MaxAlerts
		d.Alerts = d.Alerts[:x.MaxAlerts]
	}
	body, err := json.Marshal(&d)
	if err != nil {
		return &deliver.Failure{Err: err, Final: true}
	}
	head := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"hxp"}}
	if t := telemetry.TraceOf(ctx); t.Sampled {
		head.Set(telemetry.Traceparent, t.String())
	}
	if err := s.sign(head, x.SigningSecret, m.ID, m.At, body); err != nil {
		return &deliver.Failure{Err: fmt.Errorf("signing_secret: %w", err)}
	}
	secret := ""
	if a := x.HTTP.Authorization; a.Credentials != "" {
		if secret, err = s.Vault.Read(string(a.Credentials)); err != nil {
			return &deliver.Failure{Err: fmt.Errorf("authorization: %w", err)}
		}
		kind := a.Type
		if kind == "" {
			kind = "Bearer"
		}
		head.Set("Authorization", kind+" "+secret)
	}
	a, err := s.Hooks.Send(ctx, address, head, body)
	if err != nil {
		return err
	}
	return verdict(a, m.hush(address, secret))
}

// sign adds the headers of Standard Webhooks. The id is the same at each try, so that the other side knows a message that comes twice.
func (s *Sender) sign(head http.Header, where plan.Secret, id string, at time.Time, body []byte) error {
	head["webhook-id"], head["webhook-timestamp"] = []string{id}, []string{strconv.FormatInt(at.Unix(), 10)} // in lower case, as the standard writes them
	if where == "" {
		return nil
	}
	secrets, err := s.Vault.Read(string(where))
	if err != nil {
		return err
	}
	signature, err := deliver.Signature(secrets, id, at, body)
	if err != nil {
		return err
	}
	head["webhook-signature"] = []string{signature}
	return nil
}
