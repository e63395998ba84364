package run

import (
	"fmt"
	"strings"
)

// link checks the units and ties each to what it needs and to what needs it.
func link(units []Unit) ([]*unit, error) {
	all, by := make([]*unit, 0, len(units)), make(map[string]*unit, len(units))
	for i, u := range units {
		switch {
		case u.Name == "":
			return nil, fmt.Errorf("run: unit %d has no name", i)
		case u.Service == nil:
			return nil, fmt.Errorf("run: unit %q has no service", u.Name)
		case by[u.Name] != nil:
			return nil, fmt.Errorf("run: two units are called %q", u.Name)
		}
		n := &unit{Unit: u, ready: make(chan struct{}), ended: make(chan struct{})}
		all, by[u.Name] = append(all, n), n
	}
	for _, u := range all {
		for _, name := range u.Needs {
			n := by[name]
			if n == nil {
				return nil, fmt.Errorf("run: unit %q needs %q, which does not exist", u.Name, name)
			}
			u.needs = append(u.needs, n)
			n.neededBy = append(n.neededBy, u)
		}
	}
	seen := map[*unit]int{}
	for _, u := range all {
		if circle := walk(u, seen, nil); circle != nil {
			return nil, fmt.Errorf("run: units need each other in a circle: %s", strings.Join(circle, " → "))
		}
	}
	return all, nil
}

const (
	onPath = 1 + iota
	checked
)

// walk follows needs in depth and returns the names of a circle, nil when there is none.
func walk(u *unit, seen map[*unit]int, path []string) []string {
	path = append(path, u.Name)
	switch seen[u] {
	case checked:
		return nil
	case onPath:
		for i, name := range path {
			if name == u.Name {
				return path[i:]
			}
		}
	}
	seen[u] = onPath
	for _, n := range u.needs {
		if circle := walk(n, seen, path); circle != nil {
			return circle
		}
	}
	seen[u] = checked
	return nil
}
