package alert

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/alert/target"
)

// Config is the section responses of event-processing-api.yaml. Every rail has bounds here and none can be switched off.
type Config struct {
	Automatic      bool          `yaml:"automatic" env:"HXP_RESPONSES_AUTOMATIC" default:"false" doc:"Lets rules of mode auto act without being approved. Without it they propose."`
	KillSwitch     bool          `yaml:"kill_switch" env:"HXP_RESPONSES_KILL_SWITCH" default:"false" doc:"Nothing is changed while it is true, whatever else says. The file responses.off in data_dir and PUT /responses/kill-switch do the same; SIGHUP reads this one anew, and any one of them is enough."`
	ApprovalExpiry time.Duration `yaml:"approval_expiry" env:"HXP_RESPONSES_APPROVAL_EXPIRY" default:"15m" min:"1s" max:"24h" doc:"How long a proposal waits for its approval, and an approval for the change."`
	ApprovalSecret string        `yaml:"approval_secret" env:"HXP_RESPONSES_APPROVAL_SECRET" secret:"place" doc:"Where the secret of at least 32 bytes stands with which links for approval are signed: file:PATH or env:NAME. Messages about alerts then hold a link at which whoever has it decides on the proposal, once. Without it there are no links."`
	ApprovalURL    string        `yaml:"approval_url" env:"HXP_RESPONSES_APPROVAL_URL" doc:"Address at which people reach event-processing-api, such as https://hxp.example:9100; the links begin with it. Its host belongs into allowed_hosts."`
	Lease          time.Duration `yaml:"lease" env:"HXP_RESPONSES_LEASE" default:"10m" min:"1s" max:"24h" doc:"After this time a change is taken back unless its alert still fires. A rule may wish for another lease (with: {lease: 20m})."`
	MaxLease       time.Duration `yaml:"max_lease" env:"HXP_RESPONSES_MAX_LEASE" default:"1h" min:"1s" max:"24h" doc:"The longest lease that a rule may wish for."`
	Recovery       time.Duration `yaml:"recovery" env:"HXP_RESPONSES_RECOVERY" default:"2m" min:"1s" max:"1h" doc:"How long an alert must be over before its change is taken back."`
	Cooldown       time.Duration `yaml:"cooldown" env:"HXP_RESPONSES_COOLDOWN" default:"5m" min:"1s" max:"24h" doc:"Pause before a rule may do the same again; it doubles each time."`
	MaxCooldown    time.Duration `yaml:"max_cooldown" env:"HXP_RESPONSES_MAX_COOLDOWN" default:"6h" min:"1s" max:"168h" doc:"The longest such pause."`
	MaxLag         time.Duration `yaml:"max_lag" env:"HXP_RESPONSES_MAX_LAG" default:"60s" min:"1s" max:"60s" doc:"Nothing follows from an alert whose cause is older, or while the windows are further behind."`
	Deadline       time.Duration `yaml:"deadline" env:"HXP_RESPONSES_DEADLINE" default:"30s" min:"1s" max:"30s" doc:"Limit of one change, one verification and one revert."`
	Settle         time.Duration `yaml:"settle" env:"HXP_RESPONSES_SETTLE" default:"5s" min:"1ms" max:"5m" doc:"Time that a change is given before it is verified."`
	ActionBurst    int           `yaml:"action_burst" env:"HXP_RESPONSES_ACTION_BURST" default:"3" min:"1" max:"100" doc:"Changes of one kind that may be made at once."`
	ActionRefill   time.Duration `yaml:"action_refill" env:"HXP_RESPONSES_ACTION_REFILL" default:"10m" min:"1s" max:"24h" doc:"Time after which one more of them is free."`
	TotalBurst     int           `yaml:"total_burst" env:"HXP_RESPONSES_TOTAL_BURST" default:"10" min:"1" max:"100" doc:"Changes of all kinds that may be made at once."`
	TotalRefill    time.Duration `yaml:"total_refill" env:"HXP_RESPONSES_TOTAL_REFILL" default:"3m" min:"1s" max:"24h" doc:"Time after which one more of them is free."`
	BlastRadius    float64       `yaml:"blast_radius" env:"HXP_RESPONSES_BLAST_RADIUS" default:"0.1" min:"0" max:"0.1" doc:"Share of the endpoints of a group that may be out at once by what hxp did; one always may, the last healthy one never."`
	FlapCycles     int           `yaml:"flap_cycles" env:"HXP_RESPONSES_FLAP_CYCLES" default:"3" min:"1" max:"3" doc:"A rule whose changes were made and taken back so often within flap_window is left alone for flap_freeze."`
	FlapWindow     time.Duration `yaml:"flap_window" env:"HXP_RESPONSES_FLAP_WINDOW" default:"1h" min:"1m" max:"24h" doc:"Time over which they are counted."`
	FlapFreeze     time.Duration `yaml:"flap_freeze" env:"HXP_RESPONSES_FLAP_FREEZE" default:"1h" min:"1m" max:"168h" doc:"Time for which the rule is left alone."`

	Targets []target.Config `yaml:"targets" doc:"The systems that rules may act on. A rule names a target; it knows no addresses."`
}

// Validate reports what is wrong between targets.
func (c Config) Validate() error {
	if err := target.CheckNames(c.Targets); err != nil {
		return fmt.Errorf("targets: %w", err)
	}
	return c.checkLinks()
}

// checkLinks reports what is wrong with the settings of links for approval.
func (c Config) checkLinks() error {
	if c.ApprovalSecret == "" {
		return nil
	}
	if !strings.HasPrefix(c.ApprovalSecret, "file:") && !strings.HasPrefix(c.ApprovalSecret, "env:") {
		return errors.New("approval_secret: write file:PATH or env:NAME; the secret itself stands in no configuration")
	}
	if u, err := url.Parse(c.ApprovalURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return errors.New("approval_url: with approval_secret, write the address at which people reach event-processing-api, such as https://hxp.example:9100")
	}
	return nil
}

// CheckAction says why a rule of a mode must not ask a target for an action. A target that is not configured here may be so elsewhere;
// while it is not, what is asked of it is refused.
func (c Config) CheckAction(mode, action, name string) error {
	i := slices.IndexFunc(c.Targets, func(t target.Config) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return c.Targets[i].CheckAction(mode, action)
}

func (c Config) limits() respond.Limits {
	return respond.Limits{
		Automatic: c.Automatic, ApprovalExpiry: c.ApprovalExpiry, Lease: min(c.Lease, c.MaxLease), MaxLease: c.MaxLease, Recovery: c.Recovery,
		Cooldown: c.Cooldown, MaxCooldown: max(c.MaxCooldown, c.Cooldown), MaxLag: c.MaxLag, Deadline: c.Deadline, Settle: c.Settle,
		ActionBurst: c.ActionBurst, ActionRefill: c.ActionRefill, GlobalBurst: c.TotalBurst, GlobalRefill: c.TotalRefill, Blast: c.BlastRadius,
		FlapCycles: c.FlapCycles, FlapWindow: c.FlapWindow, FlapFreeze: c.FlapFreeze,
	}
}
