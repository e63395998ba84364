package doctor

import (
	"context"
	"fmt"
	"time"
)

// Keys is a file of keys, certificates or names that hxp reads at the start, or that is read as hxp does.
type Keys struct {
	Name, Setting string
	Read          func() (KeysRead, error)
}

// KeysRead is what such a file has.
type KeysRead struct {
	Detail string
	Ends   time.Time // of what is in it; zero = never
	Lacks  string    // what is missing in it, "" for nothing, with what gives it
	Cure   string
}

// renewSoon is how long before its end a certificate is told of, as in the health of the services.
const renewSoon = 7 * 24 * time.Hour

func (p *Plan) keys() (checks []check) {
	for _, k := range p.Keys {
		checks = append(checks, check{k.Name, local, func(context.Context) Finding { return k.look(time.Now()) }})
	}
	return checks
}

func (k *Keys) look(now time.Time) Finding {
	r, err := k.Read()
	renew := fmt.Sprintf("put a new one in its place (%s), which is taken without a restart (docs/security.md)", k.Setting)
	switch {
	case err != nil:
		return fail(fmt.Sprintf("mend the file, or name another in %s (docs/security.md)", k.Setting), "%v", err)
	case r.Lacks != "":
		return warn(r.Cure, "%s", r.Lacks)
	case r.Ends.IsZero():
		return ok("%s", r.Detail)
	case !now.Before(r.Ends):
		return fail(renew, "it ended at %s, so clients refuse it", r.Ends.UTC().Format(time.RFC3339))
	case r.Ends.Sub(now) < renewSoon:
		return warn(renew, "it ends at %s", r.Ends.UTC().Format(time.RFC3339))
	}
	return ok("%s, until %s", r.Detail, r.Ends.UTC().Format(time.RFC3339))
}
