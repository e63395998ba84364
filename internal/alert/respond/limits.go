package respond

import (
	"fmt"
	"time"
)

// Rail is one of the bounds that hold for every response. No rule can switch one off.
type Rail string

// The rails by name, as refusals and metrics have them.
const (
	RailMode         Rail = "mode"          // the rule only observes
	RailKillSwitch   Rail = "kill_switch"   // off by file, environment or API
	RailStale        Rail = "stale"         // the cause is too old, or the windows lag: history, a replay, a backlog
	RailTarget       Rail = "target"        // no such target, or it cannot do this
	RailSingleFlight Rail = "single_flight" // the same is in place, proposed or under way
	RailCooldown     Rail = "cooldown"      // it was done not long ago
	RailBudget       Rail = "budget"        // too many actions in a time
	RailBlastRadius  Rail = "blast_radius"  // too much of a group, or its last healthy endpoint
	RailPrecondition Rail = "precondition"  // the alert is over, or the target is not as it must be
	RailFlapping     Rail = "flapping"      // the rule came and went too often
)

// Rails lists all of them.
var Rails = []Rail{RailMode, RailKillSwitch, RailStale, RailTarget, RailSingleFlight, RailCooldown, RailBudget, RailBlastRadius, RailPrecondition, RailFlapping}

// Limits are the numbers of the rails.
type Limits struct {
	Automatic      bool          // rules of mode auto act without being approved
	ApprovalExpiry time.Duration // of a proposal, and of an approval that could not be carried out
	Lease          time.Duration // after which a change is taken back unless the alert still fires
	MaxLease       time.Duration // that a rule may wish for
	Recovery       time.Duration // for which an alert must be over before a change is taken back
	Cooldown       time.Duration // between two of the same kind; doubles each time
	MaxCooldown    time.Duration
	MaxLag         time.Duration // age of a cause, lag of the windows
	Deadline       time.Duration // of one precheck and change, of one verification, of one revert
	Settle         time.Duration // before a change is verified
	ActionBurst    int           // token bucket of each action
	ActionRefill   time.Duration
	GlobalBurst    int // token bucket of all actions
	GlobalRefill   time.Duration
	Blast          float64 // share of a group that may be taken out
	FlapCycles     int
	FlapWindow     time.Duration
	FlapFreeze     time.Duration
}

// claimGrace is the time between the deadline of whoever claimed and the moment at which others may take over.
const claimGrace = 5 * time.Second

// claim is how long a claim keeps others away: for one call of the target, and one more to see what became of it.
func (l Limits) claim() time.Duration { return 2*l.Deadline + claimGrace }

// OneOff tells of actions that leave nothing behind: they tell somebody, and there is nothing to take back.
func OneOff(action string) bool { return action == "incident" || action == "webhook" }

// CheckMode refuses what would be changed by itself and stay for ever: in mode auto a lasting change needs a lease that ends, and so
// a target that can take it back.
func CheckMode(mode, action string, reverts bool) error {
	if mode != "auto" || reverts || OneOff(action) {
		return nil
	}
	return fmt.Errorf("%s lasts, and its target cannot take it back, so it must not happen by itself; give the target a revert, or the rule mode: propose", action)
}

// Actions are what a rule can ask for.
var Actions = []string{"cool_down", "drain", "shift_weights", "fallback_model", "cap", "pause_batch", "scale", "restart", "incident", "webhook"}
