// Package notify is the way out to people: it gathers alerts, decides who hears of them and when, and takes messages to receivers.
//
// In come the decisions of hxp-alerts, alerts of others over HTTP (Alertmanager's API v2, its webhook of version 4), and commands of
// people: the configuration, silences, acknowledgements. Out go messages by webhook, mail, Slack, Microsoft Teams, PagerDuty, Discord,
// Telegram and the log, alerts to Alertmanagers, and what happens to the stream topic notifications.
//
// Everything that must be remembered is a document in the store. Any instance writes documents and follows those of the others by their
// revision, so each knows the same and answers the same. One instance, the owner, decides and sends; it holds a lease with a fence, and
// what it decides is stored only while it does. SQL rather than a log, because a decision is several documents that must be there
// together or not at all: that something was said, the message that says it, and that its alerts are forgotten; and because a lease
// with a fence needs a place where one write excludes another.
//
// Promised: a message that was decided upon is made once, whatever is killed when; its id is the same at each try and after a restart.
// A receiver that goes by this id (webhook-id, Message-ID, dedup_key) gets it once. The others get it at least once: when the process
// ends between a try and the note of it, the try is made again.
//
// On failure: without the store nothing is taken and nothing is decided, and the API answers 503; a receiver that does not answer holds
// up none of the others; without brokers the alerts of hxp come later, and none is lost.
//
// core decides, plan is the configuration, channel speaks to receivers, tmpl makes texts, label has labels and matchers.
package notify
