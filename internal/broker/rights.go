package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// rights are what a user may do; nil is everything. The scopes are those of HTTP.
type rights struct {
	admin  bool     // everything, as without any line
	ingest []string // topics that he may write
	read   []string // topics that he may read
	groups []string // consumer groups that he may use
}

// allowWord begins the line of a right. No name of a user has a blank in it, so no user can be called that.
const allowWord = "allow "

// everyday is what a scope opens where its line names nothing: all but what hxp keeps for itself.
var everyday = []string{"*"}

// parseAllow reads allow NAME SCOPE[,SCOPE] [topics=NAME,NAME*] [groups=NAME,NAME*] and adds it to the rights of the user.
func parseAllow(line string, all map[string]*rights) (user string, err error) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return "", errors.New("write allow NAME SCOPE, such as allow ann read topics=llm-requests groups=ann-*")
	}
	user = fields[1]
	topics, groups := everyday, everyday
	for _, f := range fields[3:] {
		what, list, _ := strings.Cut(f, "=")
		names := strings.Split(list, ",")
		if slices.ContainsFunc(names, func(n string) bool { return n == "" || strings.Contains(strings.TrimSuffix(n, "*"), "*") }) {
			return user, fmt.Errorf("%q names nothing; write names with commas between, * at the end of one stands for all that begin so", clip(f))
		}
		switch what {
		case "topics":
			topics = names
		case "groups":
			groups = names
		default:
			return user, fmt.Errorf("there is no %q; topics= and groups= are known", clip(what))
		}
	}
	r := all[user]
	if r == nil {
		r = &rights{}
		all[user] = r
	}
	for scope := range strings.SplitSeq(fields[2], ",") {
		switch scope {
		case "ingest":
			r.ingest = append(r.ingest, topics...)
		case "read":
			r.read, r.groups = append(r.read, topics...), append(r.groups, groups...)
		case "admin":
			r.admin = true
		default:
			return user, fmt.Errorf("there is no scope %q; the scopes are ingest, read and admin", clip(scope))
		}
	}
	return user, nil
}

// all tells whether there is nothing that a user may not.
func (r *rights) all() bool { return r == nil || r.admin }

func (r *rights) mayWrite(topic string) bool { return among(r.ingest, topic) }
func (r *rights) mayRead(topic string) bool  { return among(r.read, topic) }
func (r *rights) mayUse(group string) bool   { return among(r.groups, group) }

// maySee tells whether he may know of a topic.
func (r *rights) maySee(topic string) bool { return r.mayWrite(topic) || r.mayRead(topic) }

// among tells whether a name is in a list. What is hxp's own must be named, at least by its beginning.
func among(list []string, name string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		begin, wide := strings.CutSuffix(p, "*")
		switch {
		case !wide:
			return p == name
		case begin == "":
			return !strings.HasPrefix(name, ownPrefix)
		}
		return strings.HasPrefix(name, begin)
	})
}
