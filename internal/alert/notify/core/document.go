package core

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// The kinds of documents.
const (
	KindConfig   = "config"
	KindAlert    = "alert"
	KindSilence  = "silence"
	KindAck      = "ack"
	KindSaid     = "said"
	KindMessage  = "message"
	KindOff      = "off"
	KindOver     = "over"     // an episode of hxp-alerts has ended
	KindPosition = "position" // how far a source was read; the engine passes it by
)

// Alert is an alert as the router knows it.
type Alert struct {
	Labels       label.Set `json:"labels"`
	Annotations  label.Set `json:"annotations,omitempty"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt,omitzero"` // zero while nobody knows of an end
	UpdatedAt    time.Time `json:"updatedAt"`
	Since        time.Time `json:"since"`             // when this episode came here
	Timeout      bool      `json:"timeout,omitempty"` // its end is when it is given up, unless it comes again
	GeneratorURL string    `json:"generatorURL,omitempty"`
	Source       string    `json:"source"`            // FromHxp, FromAPI or FromWebhook
	Episode      string    `json:"episode,omitempty"` // its id in hxp-alerts
	Once         bool      `json:"once,omitempty"`    // it is told once and then forgotten; nobody hears of an end

	revision int64 // in which it last changed
	bytes    int   // of its document
}

// MaxBytes bounds the labels and annotations of an alert, OnceFor how long what is told once waits for that, as in quiet hours.
const (
	MaxBytes = 64 << 10
	OnceFor  = 7 * 24 * time.Hour
)

// The sources of alerts.
const (
	FromHxp     = "hxp"
	FromAPI     = "api"
	FromWebhook = "webhook"
)

// Resolved tells whether the alert is over at a time.
func (a *Alert) Resolved(now time.Time) bool { return !a.EndsAt.IsZero() && !a.EndsAt.After(now) }

// Merge makes one of what is known of an alert and what came now, as Alertmanager does: the newer one counts, the earlier start stays,
// and an end that somebody named wins over one that was only assumed. An episode of hxp ends when hxp says so: what others say of it may
// be what they heard from hxp.
func (a *Alert) Merge(newer Alert, now time.Time) Alert {
	fires, another := !newer.Resolved(now), newer.Episode != a.Episode
	switch {
	case fires && (a.Resolved(now) || another && newer.Episode != ""):
		return newer // another episode
	case another:
		return *a
	}
	out := newer
	out.Since = a.Since
	if a.StartsAt.Before(out.StartsAt) {
		out.StartsAt = a.StartsAt
	}
	switch {
	case newer.Resolved(now) && a.Resolved(now) && a.EndsAt.After(newer.EndsAt), !newer.Resolved(now) && !a.Timeout && a.EndsAt.After(newer.EndsAt):
		out.EndsAt, out.Timeout = a.EndsAt, a.Timeout
	}
	return out
}

// Ack is an acknowledgement: somebody looks at the alert, so nobody else is woken.
type Ack struct {
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`

	revision int64 // in which it last changed
}

// Said is what a receiver knows of a group.
type Said struct {
	Key      string              `json:"key"`
	At       time.Time           `json:"at"`
	Firing   []label.Fingerprint `json:"firing"`
	Resolved []label.Fingerprint `json:"resolved"`
}

// Off is a way that is switched off, because its other side said that it is gone.
type Off struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// The states of a message.
const (
	Waiting = "waiting"
	Sent    = "sent"
	Failed  = "failed"
)

// The reasons for a message.
const (
	ForNews       = "news"
	ForRepeat     = "repeat"
	ForEscalation = "escalation"
)

// Message is something on its way to a receiver, or what became of it.
type Message struct {
	ID          string            `json:"id"` // the same at each try
	Receiver    string            `json:"receiver"`
	Channel     string            `json:"channel"`
	Way         string            `json:"way"`
	Key         string            `json:"key"` // of what is noted as said
	Reason      string            `json:"reason"`
	State       string            `json:"state"`
	Attempts    int               `json:"attempts"`
	Uncertain   int               `json:"uncertain"` // tries that were cut before the answer: a copy may have arrived
	CreatedAt   time.Time         `json:"createdAt"`
	NextAt      time.Time         `json:"nextAt"`
	EndedAt     time.Time         `json:"endedAt,omitzero"`
	Error       string            `json:"error,omitempty"`
	Status      string            `json:"status"` // firing or resolved
	Title       string            `json:"title"`
	GroupLabels map[string]string `json:"groupLabels"`
	Firing      int               `json:"firing"`
	Resolved    int               `json:"resolved"`
	Data        *tmpl.Data        `json:"data,omitempty"`   // until it has ended
	Before      *Said             `json:"before,omitempty"` // what was said before it, until then
}

// Doc is a document of the store.
type Doc = event.Document

// Put is a document of a value.
func Put(kind, id string, v any) event.Document {
	body, err := json.Marshal(v)
	if err != nil {
		panic("core: " + err.Error()) // plain structs
	}
	return event.Document{Kind: kind, ID: id, Body: body}
}

// UTC is a time in UTC. Near the ends of the calendar there may be none that can be written in a document.
func UTC(t time.Time) (time.Time, error) {
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
		return t, errors.New("in UTC it lies outside the years 0 to 9999")
	}
	return t, nil
}

// Remove is a document that removes another.
func Remove(kind, id string) event.Document { return event.Document{Kind: kind, ID: id} }

// removeAs removes a document that anybody may write, unless somebody has done so since the revision that was looked at.
func removeAs(revision int64, kind, id string) event.Document {
	return event.Document{Kind: kind, ID: id, Revision: revision}
}

// hashed is a short name of a long one.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:12])
}
