package conf

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// origin is where a value came from. The zero value is the default.
type origin struct {
	kind      kind
	name      string // of the variable or flag
	file      string
	line, col int // in file
}

type kind int

const (
	byDefault kind = iota
	byFile
	byEnv // from the environment, or from an env file when file is set
	byFlag
)

// String is the form that `config show` prints.
func (o origin) String() string {
	switch o.kind {
	case byFile:
		return fmt.Sprintf("file:%s:%d", o.file, o.line)
	case byEnv:
		return "env:" + o.name
	case byFlag:
		return "flag:--" + o.name
	}
	return "default"
}

// where is the form that begins a line of an error.
func (o origin) where() string {
	switch {
	case o.kind == byEnv && o.file != "":
		return fmt.Sprintf("%s:%d: %s", o.file, o.line, o.name)
	case o.kind == byEnv:
		return o.name
	case o.kind == byFlag:
		return "--" + o.name
	case o.file != "" && o.line == 0:
		return o.file
	case o.file != "" && o.col == 0:
		return fmt.Sprintf("%s:%d", o.file, o.line)
	case o.file != "":
		return fmt.Sprintf("%s:%d:%d", o.file, o.line, o.col)
	}
	return "default"
}

// Fault is one thing that is wrong, or doubtful, about the configuration.
type Fault struct {
	Where   string // FILE:LINE:COLUMN, name of a variable, --flag, or "default"
	Path    string // YAML key path; "" when it is about the whole source
	Message string
	at      origin
}

// String is the line that is printed.
func (f Fault) String() string {
	switch {
	case f.Path == "":
		return f.Where + ": " + f.Message
	case strings.HasPrefix(f.Path, "--"), f.Where == "default": // a flag that belongs to no setting; what nobody has set has no place
		return f.Path + ": " + f.Message
	}
	return f.Where + ": " + f.Path + ": " + f.Message
}

func fault(at origin, path, format string, args ...any) Fault {
	return Fault{Where: at.where(), Path: path, Message: fmt.Sprintf(format, args...), at: at}
}

// Faults are everything that is wrong, sorted by source and place.
type Faults []Fault

// Error has one line for each fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// sorted orders faults and drops repetitions, which come from a variable that serves several settings.
func sorted(fs Faults) Faults {
	sorting.StableBy(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.at.kind, b.at.kind), strings.Compare(a.at.file, b.at.file), cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.col, b.at.col), strings.Compare(a.at.name, b.at.name))
	})
	var out Faults
	seen := map[string]bool{}
	for _, f := range fs {
		key := f.Where + "\x00" + f.Message
		if f.at.kind == byFile || f.at.kind == byDefault {
			key += "\x00" + f.Path
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, f)
		}
	}
	return out
}
