package channel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"html"
	"net/url"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// object is JSON in the making. encoding/json writes its keys in their order, so that equal messages are equal bytes.
type object = map[string]any

// The limits of Slack, in characters; bytes are at least as many.
const (
	slackHeader = 150
	slackText   = 3000
)

// slackBody is a message of an incoming webhook: blocks within an attachment, which has the colour.
func slackBody(w *plan.Way, m *Message) object {
	d := m.shown()
	hex, _ := color(d)
	title := cmp.Or(w.Text("title", d), plan.Title(d))
	blocks := []object{{"type": "header", "text": object{"type": "plain_text", "text": tmpl.Shorten(title, slackHeader)}}}
	if text := strings.TrimSpace(w.Text("text", d)); text != "" {
		blocks = append(blocks, object{"type": "section", "text": object{"type": "mrkdwn", "text": tmpl.Shorten(slackEscape(text), slackText)}})
	}
	if link := cmp.Or(w.Text("title_link", d), d.ExternalURL); link != "" {
		blocks = append(blocks, object{"type": "context", "elements": []object{{"type": "mrkdwn", "text": tmpl.Shorten("<"+slackEscape(link)+"|open in hxp>", slackText)}}})
	}
	out := object{
		"text":        tmpl.Shorten(slackEscape(cmp.Or(w.Text("fallback", d), title)), slackText),
		"attachments": []object{{"color": cmp.Or(w.Text("color", d), hex), "blocks": blocks}},
	}
	for name, v := range map[string]string{"channel": w.Text("channel", d), "username": w.Text("username", d), "icon_emoji": w.Slack.IconEmoji} {
		if v != "" {
			out[name] = v
		}
	}
	return out
}

// slackEscape keeps labels from becoming links and mentions.
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// teamsText bounds texts so that the whole card stays below the 28 KB that Teams takes.
const teamsText = 6 << 10

// teamsBody is an adaptive card in the envelope that the Workflow "post to a channel when a webhook request is received" reads.
func teamsBody(w *plan.Way, m *Message) object {
	d := m.shown()
	style := map[string]string{"": "good", "info": "accent", "warning": "warning", "none": "warning"}[worst(d)]
	card := []object{{"type": "TextBlock", "text": tmpl.Shorten(cmp.Or(w.Text("title", d), plan.Title(d)), 500), "weight": "bolder", "size": "medium", "wrap": true, "style": "heading", "color": cmp.Or(style, "attention")}}
	if text := strings.TrimSpace(w.Text("text", d)); text != "" {
		card = append(card, object{"type": "TextBlock", "text": tmpl.Shorten(text, teamsText), "wrap": true})
	}
	var facts []object
	for i, name := range sorted(d.CommonLabels) {
		if i == 20 {
			break
		}
		facts = append(facts, object{"title": tmpl.Shorten(name, 100), "value": tmpl.Shorten(d.CommonLabels[name], 200)})
	}
	if facts != nil {
		card = append(card, object{"type": "FactSet", "facts": facts})
	}
	content := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "msteams": object{"width": "Full"}, "body": card}
	if d.ExternalURL != "" {
		content["actions"] = []object{{"type": "Action.OpenUrl", "title": "Open in hxp", "url": d.ExternalURL}}
	}
	return object{"type": "message", "attachments": []object{{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil, "content": content}}}
}

// The limits of Discord.
const (
	discordTitle = 256
	discordText  = 4096
	discordName  = 80
)

// discordBody is one embed.
func discordBody(w *plan.Way, m *Message) object {
	d := m.shown()
	_, number := color(d)
	embed := object{"title": tmpl.Shorten(cmp.Or(w.Text("title", d), plan.Title(d)), discordTitle), "description": tmpl.Shorten(w.Text("message", d), discordText), "color": number, "timestamp": m.Made.UTC().Format(time.RFC3339)}
	if d.ExternalURL != "" {
		embed["url"] = d.ExternalURL
	}
	out := object{"embeds": []object{embed}, "allowed_mentions": object{"parse": []string{}}} // a label must not call everybody
	if w.Discord.Username != "" {
		out["username"] = tmpl.Shorten(w.Discord.Username, discordName)
	}
	return out
}

// telegramText is the limit of Telegram, less the room that escapes take.
const telegramText = 3500

func telegramBody(w *plan.Way, m *Message) object {
	d := m.shown()
	text := "<b>" + html.EscapeString(tmpl.Shorten(plan.Title(d), 300)) + "</b>\n" + html.EscapeString(tmpl.Shorten(w.Text("message", d), telegramText))
	for most := telegramText; len(text) > 4096; most /= 2 { // escapes made it longer
		text = "<b>" + html.EscapeString(tmpl.Shorten(plan.Title(d), 200)) + "</b>\n" + html.EscapeString(tmpl.Shorten(w.Text("message", d), most/2))
	}
	return object{"chat_id": w.Telegram.Chat, "text": text, "parse_mode": "HTML", "disable_notification": w.Telegram.Silent, "link_preview_options": object{"is_disabled": true}}
}

// telegram calls sendMessage. Telegram says in the body how long to wait.
func (s *Sender) telegram(ctx context.Context, w *plan.Way, m *Message) error {
	token, err := s.Vault.Read(string(w.Telegram.Token))
	if err != nil {
		return &deliver.Failure{Err: err}
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '?' || r == '#' }) {
		return &deliver.Failure{Err: errors.New("the token of the bot holds what no token does"), Final: true}
	}
	address := strings.TrimSuffix(w.Telegram.APIURL, "/") + "/bot" + url.PathEscape(token) + "/sendMessage"
	text, err := plainJSON(telegramBody(w, m))
	if err != nil {
		return &deliver.Failure{Err: err, Final: true}
	}
	a, err := s.Hooks.Send(ctx, address, jsonHeader(), text)
	if err != nil {
		return err
	}
	err = verdict(a, m.hush(address, token))
	var said struct {
		Parameters struct {
			After int `json:"retry_after"`
		} `json:"parameters"`
	}
	if f, ok := errors.AsType[*deliver.Failure](err); ok && json.Unmarshal(a.Body, &said) == nil && said.Parameters.After > 0 {
		f.After = max(f.After, time.Duration(said.Parameters.After)*time.Second)
	}
	return err
}
