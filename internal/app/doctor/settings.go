package doctor

import "fmt"

// Settings tells of the configuration itself: its faults, one finding each, and its warnings. set is how many lines and variables set something.
func Settings(faults, warnings []string, set int) []Finding {
	var out []Finding
	for _, f := range faults {
		out = append(out, Finding{"configuration", Fail, f, "mend it where the line says; `hxp config check` tells whether it is good, docs/configuration.md has every setting"})
	}
	if len(faults) == 0 {
		out = append(out, Finding{"configuration", OK, fmt.Sprintf("it has no fault; what is set: %d", set), ""})
	}
	for _, w := range warnings {
		out = append(out, Finding{"settings", Warn, w, "change it, or take it out; `hxp config show` tells where each value comes from"})
	}
	return out
}
