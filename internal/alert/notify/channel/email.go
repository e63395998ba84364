package channel

import (
	"context"
	"html"
	"net"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

func (s *Sender) email(ctx context.Context, w *plan.Way, m *Message) error {
	x := w.Email
	host, port, _ := net.SplitHostPort(x.Smarthost) // checked
	number, _ := strconv.Atoi(port)
	server := deliver.Server{Host: host, Port: number, TLS: "starttls", Username: x.Username, Name: x.Hello, Guard: s.Hooks.Guard, Hush: m.hush("", "")}
	switch {
	case number == 465:
		server.TLS = "tls"
	case x.RequireTLS != nil && !*x.RequireTLS:
		server.TLS = "none"
	}
	if server.Name == "" {
		server.Name = s.Host
	}
	if x.Username != "" {
		password, err := s.Vault.Read(string(x.Password))
		if err != nil {
			return &deliver.Failure{Err: err}
		}
		server.Password = password
	}
	message, err := mailOf(w, m)
	if err != nil {
		return &deliver.Failure{Err: err, Final: true}
	}
	return server.Send(ctx, x.From, x.To, message)
}

// mailOf is the mail: the same bytes with the same Message-ID at each try.
func mailOf(w *plan.Way, m *Message) ([]byte, error) {
	d := m.shown()
	text := w.Text("text", d)
	if strings.TrimSpace(text) == "" {
		text = plan.Title(d)
	}
	out := deliver.Message{From: w.Email.From, To: w.Email.To, Name: "hxp", Subject: w.Text("subject", d), Date: m.Made, Key: m.ID, Text: text,
		HTML: "<!doctype html><html><body><pre style=\"font:14px/1.5 ui-monospace,monospace;white-space:pre-wrap\">" + html.EscapeString(text) + "</pre></body></html>"}
	return out.Bytes()
}
