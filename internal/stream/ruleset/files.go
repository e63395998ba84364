package ruleset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// maxFileRules leaves room for the pack and for what is put.
const maxFileRules = rule.MaxRules - maxPut - 100

// FileRule is a rule of a file.
type FileRule struct {
	Rule rule.Rule
	File string
}

// Place is FILE:LINE of the rule.
func (f *FileRule) Place() string { return fmt.Sprintf("%s:%d", f.File, f.Rule.Line) }

// FileFault is one thing that is wrong with a file of rules or objectives.
type FileFault struct {
	File string
	rule.Fault
}

// ReadFolders reads the rules and objectives of all files *.yaml, *.yml and *.json of some folders. A folder that is not there has none.
// With faults it returns no rules.
func ReadFolders(dirs ...string) (all []FileRule, faults []FileFault) {
	for _, dir := range dirs {
		rules, bad := readFolder(dir)
		all, faults = append(all, rules...), append(faults, bad...)
		if len(all) > maxFileRules {
			faults = append(faults, FileFault{dir, rule.Fault{Detail: fmt.Sprintf("%d rules are too many; at most %d are taken", len(all), maxFileRules)}})
		}
	}
	faults = append(faults, twice(all)...)
	if len(faults) > 0 {
		return nil, faults
	}
	return all, nil
}

func readFolder(dir string) (all []FileRule, faults []FileFault) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []FileFault{unreadable(dir, err)}
	}
	for _, e := range entries {
		if e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		rules, bad := readFile(filepath.Join(dir, e.Name()))
		all, faults = append(all, rules...), append(faults, bad...)
	}
	return all, faults
}

func unreadable(name string, err error) FileFault {
	return FileFault{name, rule.Fault{Detail: "it cannot be read: " + err.Error()}}
}

func readFile(name string) ([]FileRule, []FileFault) {
	f, err := os.Open(name)
	if err != nil {
		return nil, []FileFault{unreadable(name, err)}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, rule.MaxBytes+1)) // one more, so that the decoder can say that it is too large
	if err != nil {
		return nil, []FileFault{unreadable(name, err)}
	}
	rules, bad := rule.Decode(text)
	faults := make([]FileFault, len(bad))
	for i := range bad {
		faults[i] = FileFault{name, bad[i]}
	}
	out := make([]FileRule, len(rules))
	for i := range rules {
		out[i] = FileRule{rules[i], name}
	}
	return out, faults
}

// twice finds names that more than one file has.
func twice(all []FileRule) (faults []FileFault) {
	first := map[string]*FileRule{}
	for i := range all {
		r := &all[i]
		if other := first[r.Rule.Name]; other != nil {
			faults = append(faults, FileFault{r.File, rule.Fault{Pointer: "/name", Line: r.Rule.Line, Detail: fmt.Sprintf("the name %q is taken by %s", r.Rule.Name, other.Place())}})
			continue
		}
		first[r.Rule.Name] = r
	}
	return faults
}
