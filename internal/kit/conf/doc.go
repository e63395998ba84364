// Package conf fills one tree of settings from defaults, YAML files, the environment and flags, in that order, and tells of
// each value where it came from.
//
// In comes a pointer to a struct. Its fields with a tag `file:"NAME"` are the roots of YAML files, everything below them is a
// section (a struct) or a setting (string, bool, int, int64, float64, time.Duration, []string, map[string]string, a list of
// structs); fields outside of a file root are set by environment and flags alone. Tags:
//
//	yaml:"key"     the key in its section; ",inline" merges a struct into the section around it; "-" is no setting
//	env:"A,B"      names in the environment; one name may serve several settings
//	flag:"name"    name of a flag
//	default:"v"    written as in the environment
//	doc:"…"        effect, for the reference page
//	min, max       bounds of numbers and durations, included; durations are never negative unless min says so
//	unit:"s|ms"    unit of a duration written as a plain number (s when missing); with it the value is shown as a number
//	enum:"a,b"     the allowed texts, in any case
//	secret:"true"  shown as ***; where the text is file:PATH or env:NAME, the value is what is there; likewise each text of a
//	               map[string]string, and those in elements of lists
//	secret:"url"   as true, but only the password inside is hidden
//	secret:"place" shown as ***; the text says where the secret is, and whoever uses it reads it anew each time
//
// A struct may have Validate() error and Doubts() []string; each message begins with the key it speaks of ("timeout: …") and
// is then shown with the place where that key was set.
//
// Promised: all faults of all sources come back at once, each with file, line and column or the name of the variable; no
// fault and no listing shows a secret, nor a password inside a URL; a file is read up to 1 MiB; whatever a file holds, Load
// returns. On any fault nothing of the target may be used.
package conf
