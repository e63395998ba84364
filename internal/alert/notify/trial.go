package notify

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/channel"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

type testOrder struct {
	Receiver    string            `json:"receiver"`
	Preview     bool              `json:"preview,omitempty"`     // only show the texts
	Labels      map[string]string `json:"labels,omitempty"`      // of the alert that is made up
	Annotations map[string]string `json:"annotations,omitempty"` //
	Status      string            `json:"status,omitempty"`      // firing or resolved
}

// tested is what became of a test in one way.
type tested struct {
	Way     string            `json:"way"`
	Channel string            `json:"channel"`
	Sent    bool              `json:"sent"`
	Error   string            `json:"error,omitempty"`
	Texts   map[string]string `json:"texts,omitempty"`
}

type testOutcome struct {
	Results []tested `json:"results"`
}

func (s *Service) test(w http.ResponseWriter, r *http.Request) {
	var order testOrder
	if bad := httpx.DecodeBody(w, r, maxOrder, &order, httpx.Strict); bad != nil {
		bad.Answer(w, r)
		return
	}
	labels := label.Set{"alertname": "HxpTest", "severity": "info"}
	maps.Copy(labels, order.Labels)
	annotations := label.Set{"summary": "a test of the receiver " + order.Receiver}
	maps.Copy(annotations, order.Annotations)
	for at, set := range map[string]label.Set{"/labels": labels, "/annotations": annotations} {
		if _, err := set.Check(); err != nil {
			httpx.Wrong(at, "wrong", err.Error()).Answer(w, r)
			return
		}
	}
	if order.Status == "" {
		order.Status = tmpl.Firing
	}
	if order.Status != tmpl.Firing && order.Status != tmpl.Resolved {
		httpx.Wrong("/status", "unknown", "it is firing or resolved").Answer(w, r)
		return
	}
	var target *plan.Target
	s.look(func(e *core.Engine) { target = e.Plan().Target(order.Receiver) })
	if target == nil {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no receiver %.80q; GET /notifications/config lists them", order.Receiver), httpx.FieldError{Pointer: "/receiver", Code: "unknown", Detail: "there is no such receiver"})
		return
	}
	if order.Preview {
		httpx.Unchanged(r.Context())
	} else {
		if wait := s.tests.take(time.Now()); wait > 0 {
			httpx.Unavailable(w, r, http.StatusTooManyRequests, wait, fmt.Sprintf("%d tests were sent in this minute, which is the limit", testsPerMinute))
			return
		}
	}
	out := s.testAll(r.Context(), target, madeUp(&order, labels, annotations, s.cfg.Load().ExternalURL, time.Now()), order.Preview)
	if !order.Preview {
		httpx.Changed(r.Context(), nil, map[string]any{"receiver": order.Receiver, "sent": out.Results})
	}
	var errs []httpx.FieldError
	for _, x := range out.Results {
		if x.Error != "" {
			errs = append(errs, httpx.FieldError{Code: "not_taken", Detail: x.Way + ": " + x.Error})
		}
	}
	if errs != nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, fmt.Sprintf("%d of %d ways did not take it; the first: %s", len(errs), len(out.Results), errs[0].Detail), errs...)
		return
	}
	httpx.JSON(w, http.StatusOK, out)
}

// madeUp is the message of a test.
func madeUp(o *testOrder, labels, annotations label.Set, page string, now time.Time) *tmpl.Data {
	a := tmpl.Alert{Status: o.Status, Labels: labels, Annotations: annotations, StartsAt: now.UTC(), GeneratorURL: page, Fingerprint: string(labels.Fingerprint())}
	if o.Status == tmpl.Resolved {
		a.StartsAt, a.EndsAt = now.Add(-time.Minute).UTC(), now.UTC()
	}
	group := label.Set{"alertname": labels["alertname"]}
	return &tmpl.Data{Version: "4", GroupKey: "{}/{test=\"true\"}:" + group.String(), Status: o.Status, Receiver: o.Receiver, GroupLabels: group, CommonLabels: labels, CommonAnnotations: annotations, ExternalURL: page, Alerts: []tmpl.Alert{a}}
}

// testsPerMinute bounds tests, because no limit of a receiver does, and each of them can be sent to where somebody else is.
const testsPerMinute = 60

// testPace counts the tests of a minute.
type testPace struct {
	mu     sync.Mutex
	minute time.Time
	made   int
}

// take counts a test, or tells how long to wait for the next one.
func (p *testPace) take(now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.minute, p.made = minute, 0
	}
	if p.made >= testsPerMinute {
		return p.minute.Add(time.Minute).Sub(now)
	}
	p.made++
	return 0
}

// testLimit bounds a test: a person waits.
const testLimit = 20 * time.Second

func (s *Service) testAll(ctx context.Context, t *plan.Target, d *tmpl.Data, preview bool) testOutcome {
	ctx, stop := context.WithTimeout(ctx, testLimit)
	defer stop()
	out := testOutcome{Results: make([]tested, len(t.Ways))}
	var wg sync.WaitGroup
	gate := make(chan struct{}, mostOfWay)
	for i, way := range t.Ways {
		x := &out.Results[i]
		*x = tested{Way: way.ID, Channel: way.Channel}
		if preview {
			x.Texts = way.Texts(d)
			continue
		}
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			now := time.Now()
			if err := s.sender.Send(ctx, way, &channel.Message{ID: "msg_test" + rand.Text(), At: now, Made: now, Data: d}); err != nil {
				x.Error = err.Error()
			} else {
				x.Sent = true
			}
		})
	}
	wg.Wait()
	return out
}
