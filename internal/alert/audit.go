package alert

import (
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/chain"
	"github.com/hxp-enterprise/hxp/internal/kit/chain/desk"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// mountAudit adds the questions about the audit log.
func (s *Service) mountAudit(m *httpx.Mux, wrong, away httpx.Option) {
	d := &desk.Desk{Log: s.journal, Passed: s.passed, Follow: s.follow, Failed: s.failed, Places: make(chan struct{}, 4)}
	m.HandleFunc("GET /responses/audit", func(w http.ResponseWriter, r *http.Request) { d.List(w, r, http.StatusUnprocessableEntity, nil) },
		httpx.Doc("The audit log in its order. Each record has the sha256 of the one before; `hash` is that of the canonical JSON of everything else in the record."),
		httpx.Paging(), httpx.Answer("200", "the records", desk.Page{}), wrong, away)
	m.HandleFunc("GET /responses/audit/verify", d.Prove, httpx.Doc("Reads the whole audit log and proves the chain."), httpx.Answer("200", "what was found", chain.Proof{}), away)
}

func (s *Service) passed() (out []int64) {
	s.machine.Look(func(b *respond.Book) { out = b.Passed() })
	return out
}

func (s *Service) follow() (*chain.Chain, func(int64, []byte)) {
	b := respond.NewBook(s.cfg.Load().limits())
	return &b.Chain, func(offset int64, value []byte) { b.Apply(offset, value) }
}
