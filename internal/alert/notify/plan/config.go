package plan

// Config is the document. Its JSON is what GET /notifications/config shows and what is kept.
type Config struct {
	Global       Global            `json:"global,omitzero"`
	Route        *Route            `json:"route"`
	InhibitRules []Inhibit         `json:"inhibit_rules,omitempty"`
	Receivers    []Receiver        `json:"receivers"`
	Times        []NamedTimes      `json:"time_intervals,omitempty"`
	MuteTimes    []NamedTimes      `json:"mute_time_intervals,omitempty"` // the older name of time_intervals
	Templates    map[string]string `json:"templates,omitempty"`
}

// Global are the defaults of receivers, and resolve_timeout: after this time an alert without an end is over, unless it comes again.
type Global struct {
	ResolveTimeout  Duration `json:"resolve_timeout,omitempty"`
	SMTPFrom        string   `json:"smtp_from,omitempty"`
	SMTPHello       string   `json:"smtp_hello,omitempty"`
	SMTPSmarthost   string   `json:"smtp_smarthost,omitempty"`
	SMTPUsername    string   `json:"smtp_auth_username,omitempty"`
	SMTPPassword    Secret   `json:"smtp_auth_password,omitempty"`
	SMTPPasswordF   string   `json:"smtp_auth_password_file,omitempty"`
	SMTPRequireTLS  *bool    `json:"smtp_require_tls,omitempty"`
	SlackURL        Secret   `json:"slack_api_url,omitempty"`
	SlackURLFile    string   `json:"slack_api_url_file,omitempty"`
	PagerDutyURL    string   `json:"pagerduty_url,omitempty"`
	TelegramURL     string   `json:"telegram_api_url,omitempty"`
	TelegramToken   Secret   `json:"telegram_bot_token,omitempty"`
	TelegramTokenFl string   `json:"telegram_bot_token_file,omitempty"`
}

// Route says which alerts go to which receiver, and how they are gathered. What it leaves out, it has from the route above.
type Route struct {
	Receiver       string            `json:"receiver,omitempty"`
	GroupBy        []string          `json:"group_by,omitzero"`
	Matchers       []string          `json:"matchers,omitempty"`
	Match          map[string]string `json:"match,omitempty"`    // older forms of matchers
	MatchRE        map[string]string `json:"match_re,omitempty"` //
	Continue       bool              `json:"continue,omitempty"`
	GroupWait      *Duration         `json:"group_wait,omitempty"`
	GroupInterval  *Duration         `json:"group_interval,omitempty"`
	RepeatInterval *Duration         `json:"repeat_interval,omitempty"`
	MuteTimes      []string          `json:"mute_time_intervals,omitempty"`
	ActiveTimes    []string          `json:"active_time_intervals,omitempty"`
	Escalate       []Escalation      `json:"escalate,omitzero"`
	Routes         []Route           `json:"routes,omitempty"`
}

// Escalation is a further receiver, who hears of an alert that nobody has acknowledged after some time.
type Escalation struct {
	After    Duration `json:"after"`
	Receiver string   `json:"receiver"`
}

// Inhibit says that some alerts are not told while others fire.
type Inhibit struct {
	SourceMatchers []string          `json:"source_matchers,omitempty"`
	SourceMatch    map[string]string `json:"source_match,omitempty"`
	SourceMatchRE  map[string]string `json:"source_match_re,omitempty"`
	TargetMatchers []string          `json:"target_matchers,omitempty"`
	TargetMatch    map[string]string `json:"target_match,omitempty"`
	TargetMatchRE  map[string]string `json:"target_match_re,omitempty"`
	Equal          []string          `json:"equal,omitempty"`
}

// Receiver is somebody who is told, in one or several ways.
type Receiver struct {
	Name       string      `json:"name"`
	Webhooks   []Webhook   `json:"webhook_configs,omitempty"`
	Emails     []Email     `json:"email_configs,omitempty"`
	Slacks     []Slack     `json:"slack_configs,omitempty"`
	Teams      []Teams     `json:"msteamsv2_configs,omitempty"`
	PagerDutys []PagerDuty `json:"pagerduty_configs,omitempty"`
	Discords   []Discord   `json:"discord_configs,omitempty"`
	Telegrams  []Telegram  `json:"telegram_configs,omitempty"`
	Consoles   []Console   `json:"console_configs,omitempty"`
	Limits     Limits      `json:"limits,omitzero"`
}

// Limits bound how many messages a way of a receiver gets; more wait.
type Limits struct {
	PerMinute int `json:"per_minute,omitempty"` // 600 when it is not set
	PerDay    int `json:"per_day,omitempty"`    // 0 = as many as there are
}

// Webhook is a program that is told in Alertmanager's version 4, signed as Standard Webhooks has it.
type Webhook struct {
	SendResolved  *bool      `json:"send_resolved,omitempty"`
	URL           string     `json:"url,omitempty"`
	URLFile       string     `json:"url_file,omitempty"`
	MaxAlerts     int        `json:"max_alerts,omitempty"`
	SigningSecret Secret     `json:"signing_secret,omitempty"`
	HTTP          HTTPConfig `json:"http_config,omitzero"`
}

// HTTPConfig is what a webhook needs beside its address.
type HTTPConfig struct {
	Authorization Authorization `json:"authorization,omitzero"`
}

// Authorization is the header of that name.
type Authorization struct {
	Type            string `json:"type,omitempty"` // Bearer when it is not set
	Credentials     Secret `json:"credentials,omitempty"`
	CredentialsFile string `json:"credentials_file,omitempty"`
}

// Email is told by mail.
type Email struct {
	SendResolved *bool             `json:"send_resolved,omitempty"`
	To           string            `json:"to"` // one address or several with commas
	From         string            `json:"from,omitempty"`
	Smarthost    string            `json:"smarthost,omitempty"`
	Hello        string            `json:"hello,omitempty"`
	Username     string            `json:"auth_username,omitempty"`
	Password     Secret            `json:"auth_password,omitempty"`
	PasswordFile string            `json:"auth_password_file,omitempty"`
	RequireTLS   *bool             `json:"require_tls,omitempty"`
	Headers      map[string]string `json:"headers,omitempty"` // Subject alone
	Text         string            `json:"text,omitempty"`
}

// Slack is told in a channel of Slack.
type Slack struct {
	SendResolved *bool  `json:"send_resolved,omitempty"`
	URL          Secret `json:"api_url,omitempty"`
	URLFile      string `json:"api_url_file,omitempty"`
	Channel      string `json:"channel,omitempty"`
	Username     string `json:"username,omitempty"`
	IconEmoji    string `json:"icon_emoji,omitempty"`
	Color        string `json:"color,omitempty"`
	Title        string `json:"title,omitempty"`
	TitleLink    string `json:"title_link,omitempty"`
	Text         string `json:"text,omitempty"`
	Fallback     string `json:"fallback,omitempty"`
}

// Teams is told by a Workflow of Microsoft Teams.
type Teams struct {
	SendResolved *bool  `json:"send_resolved,omitempty"`
	URL          Secret `json:"webhook_url,omitempty"`
	URLFile      string `json:"webhook_url_file,omitempty"`
	Title        string `json:"title,omitempty"`
	Text         string `json:"text,omitempty"`
}

// PagerDuty is told by Events API v2.
type PagerDuty struct {
	SendResolved *bool             `json:"send_resolved,omitempty"`
	Key          Secret            `json:"routing_key,omitempty"`
	KeyFile      string            `json:"routing_key_file,omitempty"`
	URL          string            `json:"url,omitempty"`
	Description  string            `json:"description,omitempty"`
	Severity     string            `json:"severity,omitempty"`
	Source       string            `json:"source,omitempty"`
	Class        string            `json:"class,omitempty"`
	Component    string            `json:"component,omitempty"`
	Group        string            `json:"group,omitempty"`
	Details      map[string]string `json:"details,omitempty"`
}

// Discord is told in a channel of Discord.
type Discord struct {
	SendResolved *bool  `json:"send_resolved,omitempty"`
	URL          Secret `json:"webhook_url,omitempty"`
	URLFile      string `json:"webhook_url_file,omitempty"`
	Username     string `json:"username,omitempty"`
	Title        string `json:"title,omitempty"`
	Message      string `json:"message,omitempty"`
}

// Telegram is told in a chat of Telegram.
type Telegram struct {
	SendResolved *bool  `json:"send_resolved,omitempty"`
	APIURL       string `json:"api_url,omitempty"`
	Token        Secret `json:"bot_token,omitempty"`
	TokenFile    string `json:"bot_token_file,omitempty"`
	Chat         string `json:"chat_id"`
	Silent       bool   `json:"disable_notifications,omitempty"`
	Message      string `json:"message,omitempty"`
}

// Console is told in the log of hxp.
type Console struct {
	SendResolved *bool  `json:"send_resolved,omitempty"`
	Text         string `json:"text,omitempty"`
}

// NamedTimes are spans of time that routes name.
type NamedTimes struct {
	Name  string  `json:"name"`
	Spans []Times `json:"time_intervals"`
}

// Times is one span: every part that is there must hold.
type Times struct {
	Times    []ClockRange `json:"times,omitempty"`
	Weekdays []string     `json:"weekdays,omitempty"`
	Days     []string     `json:"days_of_month,omitempty"`
	Months   []string     `json:"months,omitempty"`
	Years    []string     `json:"years,omitempty"`
	Location string       `json:"location,omitempty"`
}

// ClockRange is a part of a day, from start to before end.
type ClockRange struct {
	Start string `json:"start_time"`
	End   string `json:"end_time"`
}

// Default is the document of somebody who has said nothing: alerts are told in the log.
const Default = `{"route":{"receiver":"console","group_by":["alertname"]},"receivers":[{"name":"console","console_configs":[{}]}]}`
