package batch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/secret"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// DeliveryStore keeps what is on its way to whom. What does not exist is the error Deps.NotFound.
type DeliveryStore interface {
	// QueueDelivery stores a delivery or finds it; with again, one that has ended is begun anew.
	QueueDelivery(ctx context.Context, d agg.Delivery, again bool) (agg.Delivery, error)
	// ClaimDelivery takes the delivery of a folder of reports (agg.Delivery.Machine) that has been due the longest, for a try that ends
	// before until.
	ClaimDelivery(ctx context.Context, machine string, now, until time.Time) (agg.Delivery, error)
	// SaveDelivery stores what became of a try whose claim ends at until.
	SaveDelivery(ctx context.Context, d agg.Delivery, until time.Time) error
	NextDelivery(ctx context.Context, machine string) (time.Time, error)
	Deliveries(ctx context.Context, report string, limit int) ([]agg.Delivery, map[agg.DeliveryState]int, error)
	PurgeDeliveries(ctx context.Context, before time.Time) error
}

// The ways of a delivery.
const (
	byMail    = "mail"
	byWebhook = "webhook"
	byFolder  = "folder"
)

// Limits of deliveries.
const (
	tryLimit   = 3 * time.Minute  // of one try
	claimFor   = 30 * time.Second // after which a claim that nobody renews is another's
	claimEvery = claimFor / 3     // between two renewals
	giveUp     = 72 * time.Hour   // after it was asked for
	longestGap = time.Hour        // between two tries
	keepSent   = 90 * 24 * time.Hour
	newReportS = time.Minute // within which the row of a report may follow its delivery
)

// courier takes reports to those who get them, one at a time.
//
// A delivery is a row in the store, found again by report and target, so that a report goes to a target once however often it is made.
// What goes out is prepared once and kept in the folder outbox until it arrived, so that every try sends the same bytes. A try renews its
// claim while it lasts. A process that ends meanwhile leaves one that soon runs out; the next try then says that the one before may have arrived.
type courier struct {
	p     *reporter
	store DeliveryStore
	hooks *deliver.Hooks
	smtp  func(ctx context.Context, s *deliver.Server, from, to string, message []byte) error
	wake  chan struct{}
	ends  *telemetry.CounterVec
	home  home
}

func newCourier(p *reporter, store DeliveryStore, allow []netip.Prefix, reg *telemetry.Registry) *courier {
	return &courier{p: p, store: store, home: home{dir: p.dir, host: p.s.deps.Machine}, hooks: deliver.NewHooks(allow), wake: make(chan struct{}, 1), smtp: sendMail,
		ends: reg.CounterVec("report_deliveries_total", "tries of taking a report to somebody, by their end: sent, again, failed", "way", "result")}
}

// target is somebody who gets reports.
type target struct{ way, to string }

// deliveryOf names the delivery of a report to a target.
func deliveryOf(id string, t target) string {
	sum := sha256.Sum256([]byte(id + "\x00" + t.way + "\x00" + t.to))
	return hex.EncodeToString(sum[:16])
}

// queue asks for a report to be taken to a target, not before a time.
func (c *courier) queue(ctx context.Context, id string, t target, at time.Time, again bool) (agg.Delivery, error) {
	home, err := c.home.name()
	if err != nil {
		return agg.Delivery{}, err
	}
	now := c.p.s.now()
	d, err := c.store.QueueDelivery(ctx, agg.Delivery{ID: deliveryOf(id, t), Report: id, Way: t.way, Target: t.to, CreatedAt: now, NextAt: at, Machine: home}, again)
	c.look()
	return d, err
}

// look lets the courier see what is due.
func (c *courier) look() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run works until ctx ends.
func (c *courier) run(ctx context.Context) {
	s := c.p.s
	if err := c.store.PurgeDeliveries(ctx, s.now().Add(-keepSent)); err != nil && ctx.Err() == nil {
		s.log.Warn("old deliveries could not be forgotten", "err", err)
	}
	for ctx.Err() == nil {
		d, err := c.claim(ctx)
		switch {
		case err == nil:
			c.try(ctx, d)
			continue
		case !errors.Is(err, s.deps.NotFound) && ctx.Err() == nil:
			s.log.Warn("deliveries cannot be looked at", "err", err)
		}
		c.rest(ctx)
	}
}

// claim takes what is due.
func (c *courier) claim(ctx context.Context) (agg.Delivery, error) {
	home, err := c.home.name()
	if err != nil {
		return agg.Delivery{}, err
	}
	now := c.p.s.now()
	return c.store.ClaimDelivery(ctx, home, now, now.Add(claimFor))
}

// next is when something is due.
func (c *courier) next(ctx context.Context) (time.Time, error) {
	home, err := c.home.name()
	if err != nil {
		return time.Time{}, err
	}
	return c.store.NextDelivery(ctx, home)
}

// rest waits until something is due.
func (c *courier) rest(ctx context.Context) {
	wait := time.Minute // for what another process with this folder asks for
	if at, err := c.next(ctx); err == nil {
		wait = min(wait, max(at.Sub(c.p.s.now()), 50*time.Millisecond))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.wake:
	case <-ctx.Done():
	}
}

// try makes one try and stores what became of it.
func (c *courier) try(ctx context.Context, d agg.Delivery) {
	s := c.p.s
	limited, stop := context.WithTimeoutCause(ctx, tryLimit, errTimeout)
	release := c.hold(limited, stop, d)
	err := c.deliver(limited, &d)
	stop()
	until := release()
	now := s.now()
	var wait *notYet
	switch {
	case err == nil:
		d.State, d.SentAt, d.Error = agg.DeliverySent, new(now.UTC().Truncate(time.Microsecond)), ""
		c.ends.WithLabelValues(d.Way, "sent").Inc()
		s.log.Info("report delivered", "report", d.Report, "way", d.Way, "to", d.Target, "attempts", d.Attempts, "uncertain", d.Uncertain)
	case errors.Is(err, errSame):
		d.State, d.Error = agg.DeliverySent, ""
	case errors.As(err, &wait):
		d.State, d.NextAt, d.Attempts = agg.DeliveryWaiting, now.Add(time.Second), d.Attempts-1
	case deliver.Final(err), now.Sub(d.CreatedAt) > giveUp && ctx.Err() == nil:
		d.State, d.Error = agg.DeliveryFailed, err.Error()
		c.ends.WithLabelValues(d.Way, "failed").Inc()
		s.log.Error("report cannot be delivered", "report", d.Report, "way", d.Way, "to", d.Target, "attempts", d.Attempts, "err", err)
	default:
		d.State, d.Error, d.NextAt = agg.DeliveryWaiting, err.Error(), now.Add(gap(s.cfg().Mail.Retry, d.Attempts))
		if deliver.Uncertain(err) {
			d.Uncertain++
		}
		if ctx.Err() != nil {
			d.NextAt = now // the next start goes on
		}
		c.ends.WithLabelValues(d.Way, "again").Inc()
		s.log.Warn("report not delivered yet", "report", d.Report, "way", d.Way, "to", d.Target, "attempts", d.Attempts, "next", d.NextAt, "may_have_arrived", deliver.Uncertain(err), "err", err)
	}
	if err := c.save(ctx, d, until); err != nil { // what was prepared stays, so that the next try sends the same bytes
		s.log.Error("what became of a delivery could not be stored", "report", d.Report, "to", d.Target, "state", string(d.State), "err", err)
		return
	}
	if d.State == agg.DeliverySent || d.State == agg.DeliveryFailed {
		c.clear(&d)
	}
}

// hold renews the claim of a try until ctx ends, and ends the try when the claim is lost: somebody else tries then. release waits until it is
// done and says until when the claim lasts.
func (c *courier) hold(ctx context.Context, lost context.CancelFunc, d agg.Delivery) (release func() time.Time) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(claimEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			renewed := d
			renewed.NextAt = c.p.s.now().Add(claimFor).UTC().Truncate(time.Microsecond)
			switch err := c.store.SaveDelivery(ctx, renewed, d.NextAt); {
			case err == nil:
				d = renewed
			case ctx.Err() != nil:
				return
			case errors.Is(err, c.p.s.deps.NotFound), !c.p.s.now().Before(d.NextAt):
				c.p.log().Warn("the claim of a delivery is lost, and its try ends", "report", d.Report, "to", d.Target, "err", err)
				lost()
				return
			}
		}
	}()
	return func() time.Time { <-done; return d.NextAt }
}

// save stores what became of a try, for as long as the claim lasts: what is not stored is sent a second time.
func (c *courier) save(ctx context.Context, d agg.Delivery, until time.Time) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		err := c.store.SaveDelivery(end, d, until)
		stop()
		last := ctx.Err() != nil || c.p.s.now().Add(wait+stopLimit).After(until)
		if err == nil || errors.Is(err, c.p.s.deps.NotFound) || last {
			return err
		}
		c.p.log().Warn("what became of a delivery is not stored yet", "report", d.Report, "to", d.Target, "state", string(d.State), "err", err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done(): // once more, at once
		}
		timer.Stop()
	}
}

// gap is the time before the next try: it doubles with each one.
func gap(first time.Duration, attempts int64) time.Duration {
	out := first
	for range min(attempts-1, 30) {
		if out *= 2; out >= longestGap {
			break
		}
	}
	return max(first, min(out, longestGap))
}

var errSame = errors.New("the document has arrived before")

// notYet is the error of a report that is still being made.
type notYet struct{ id string }

func (e *notYet) Error() string { return "the report " + e.id + " is not made yet" }

// deliver finds the document and hands it over.
func (c *courier) deliver(ctx context.Context, d *agg.Delivery) error {
	s := c.p.s
	r, err := c.p.store.Report(ctx, d.Report)
	switch {
	case errors.Is(err, s.deps.NotFound) && s.now().Sub(d.CreatedAt) < newReportS:
		return &notYet{d.Report}
	case errors.Is(err, s.deps.NotFound):
		return &deliver.Failure{Err: errors.New("the report was deleted"), Final: true}
	case err != nil:
		return err
	case !r.Status.Final():
		return &notYet{d.Report}
	case r.SHA256 == "" || r.Status == agg.ReportFailed:
		return fmt.Errorf("the report could not be made: %s", r.Error) // it may be made again, with a better template or store
	case r.SHA256 == d.SHA256 && d.SentAt != nil:
		return errSame
	}
	if r.SHA256 != d.SHA256 {
		d.SHA256, d.SentAt = r.SHA256, nil
	}
	body, err := c.p.read(r)
	if err != nil {
		return err
	}
	doc := deliver.Document{Key: d.ID + r.SHA256, Report: r.ID, File: r.File, Type: report.MediaType(r.Format), SHA256: r.SHA256, Body: body}
	switch d.Way {
	case byMail:
		return c.mail(ctx, d, &r, &doc)
	case byWebhook:
		key, err := secret.Read(c.secretOf(d.Target))
		if err != nil {
			return fmt.Errorf("webhook_secret: %w", err)
		}
		return c.hooks.Post(ctx, d.Target, key, &doc)
	}
	return deliver.Put(d.Target, &doc)
}

// secretOf says where the secret of a webhook is.
func (c *courier) secretOf(address string) string {
	for _, r := range c.p.s.cfg().Routes.Routes {
		if r.Webhook == address && r.Secret != "" {
			return r.Secret
		}
	}
	return ""
}

func (c *courier) mail(ctx context.Context, d *agg.Delivery, r *agg.Report, doc *deliver.Document) error {
	cfg := &c.p.s.cfg().Mail
	if cfg.Host == "" || !c.p.s.cfg().Reports.Email {
		return errors.New("mail is not set up, or switched off: smtp_host, report_generation.email_enabled")
	}
	password, err := secret.Read(cfg.Password)
	if err != nil {
		return fmt.Errorf("smtp_password: %w", err)
	}
	message, err := c.message(ctx, d, r, doc)
	if err != nil {
		return err
	}
	server := deliver.Server{Host: cfg.Host, Port: cfg.Port, TLS: cfg.TLS, Username: cfg.Username, Password: password, Name: c.p.s.deps.Machine}
	return c.smtp(ctx, &server, cfg.From, d.Target, message)
}

func sendMail(ctx context.Context, s *deliver.Server, from, to string, message []byte) error {
	return s.Send(ctx, from, to, message)
}

// message is the mail as it goes out: prepared once and kept until it arrived.
func (c *courier) message(ctx context.Context, d *agg.Delivery, r *agg.Report, doc *deliver.Document) ([]byte, error) {
	name := c.file(d)
	if kept, err := os.ReadFile(name); err == nil {
		return kept, nil
	}
	content, err := c.p.document(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("gather the numbers: %w", err)
	}
	page, err := content.Render(report.Mail)
	if err != nil {
		return nil, err
	}
	title := report.Kind(r.Type).Title() + ", " + report.Period{Start: r.Start, End: r.End}.String()
	m := deliver.Message{From: c.p.s.cfg().Mail.From, To: d.Target, Name: "hxp reports", Subject: title, Date: *r.CompletedAt, Key: doc.Key, HTML: string(page),
		Text:        title + " (UTC)\n\nThe report is attached: " + path.Base(r.File) + "\nsha256 " + r.SHA256 + "\n\n-- \nhxp, report " + r.ID + "\n",
		Attachments: []deliver.Attachment{{Name: path.Base(r.File), Type: strings.SplitN(doc.Type, ";", 2)[0], Body: doc.Body}}}
	message, err := m.Bytes()
	if err != nil {
		return nil, &deliver.Failure{Err: err, Final: true}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("folder of the outbox: %w", err)
	}
	return message, atomicfile.Write(name, message)
}

// outbox is the folder of prepared mails; no kind of report has its name.
const outbox = "outbox"

func (c *courier) file(d *agg.Delivery) string {
	return filepath.Join(c.p.dir, outbox, d.ID+"-"+d.SHA256[:min(16, len(d.SHA256))]+".eml")
}

// clear removes what was prepared for a delivery that has ended.
func (c *courier) clear(d *agg.Delivery) {
	if d.Way != byMail {
		return
	}
	kept, _ := filepath.Glob(filepath.Join(c.p.dir, outbox, d.ID+"-*.eml"))
	for _, name := range kept {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			c.p.log().Warn("a mail that was sent could not be removed from the outbox", "file", name, "err", err)
		}
	}
}
