package doctor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/cure"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// database tells of the database: whether it answers, what its schema is, and what its clock says. One look serves all three.
func (p *Plan) database() []check {
	if p.Database == "" {
		return nil
	}
	var here time.Time
	look := sync.OnceValues(func() (store.Inspection, error) {
		limit := remote - time.Second
		ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("no answer within %s", limit))
		defer cancel()
		in, err := store.Inspect(ctx, p.Database, p.Log)
		here = time.Now()
		return in, err
	})
	return []check{
		{"database", remote, func(context.Context) Finding { return p.reached(look()) }},
		{"schema of the database", remote, func(context.Context) Finding { return schema(look()) }},
		{"clock of the database", remote, func(context.Context) Finding {
			in, err := look()
			if err != nil || in.Clock.IsZero() {
				return Finding{} // it is that of this machine, or said above
			}
			return clocks("the database says", in.Clock, here, true)
		}},
	}
}

func (p *Plan) reached(in store.Inspection, err error) Finding {
	at := conf.Redact(p.Database)
	switch {
	case err != nil:
		if !strings.HasPrefix(p.Database, "postgres") {
			return fail("see that the file can be read and written and is a database of hxp, or bring a backup back (docs/runbooks/backup.md)", "%s: %v", at, err)
		}
		help, err := cure.Of(err, "start it, or set SQL_DATABASE_URL (else SQL_DATABASE_ENDPOINT) to where it is; a firewall may stand between")
		return fail(help+" (docs/runbooks/postgresql.md)", "%s: %v", at, err)
	case !in.There:
		return ok("%s is made at the start", at)
	}
	return ok("%s answers", at)
}

func schema(in store.Inspection, err error) Finding {
	const allow = "let the user own the database, or GRANT CREATE ON SCHEMA public to it (docs/runbooks/postgresql.md)"
	switch {
	case err != nil || !in.There:
		return Finding{}
	case in.Strange != nil:
		return fail("start the hxp that made it, name another database in SQL_DATABASE_URL, or bring a backup back (docs/runbooks/operations.md)", "%v", in.Strange)
	case in.Barred && in.Pending > 0:
		return fail(allow, "the user may not make tables, and %d steps of the schema are to be done", in.Pending)
	case in.Barred:
		return warn(allow, "the user may not make tables, and the hours of each month lie in some of their own")
	case in.Done > 0 && in.Pending > 0:
		return warn("make a backup; the next start of this hxp brings the schema up to date, and older ones refuse it afterwards", "the schema is %d steps behind this hxp", in.Pending)
	case in.Pending > 0:
		return ok("the database is empty; the start makes its tables")
	}
	return ok("it is that of this hxp (%d steps)", in.Done)
}
