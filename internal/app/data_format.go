package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// dataFormat is the version of everything that a data folder holds, taken together. It is raised when a version of hxp writes anything
// there that the one before cannot read, so that the one before refuses the folder instead of going on without what it does not know.
// docs/formats.md lists the parts.
const dataFormat = 1

// formatFile says in a data folder which format it has.
const formatFile = "format.json"

type formatMark struct {
	Format  int    `json:"format"`
	Program string `json:"program"` // that raised it
}

// checkFormat refuses a folder of a later format. It returns 0 for one that says nothing.
func checkFormat(dir string) (format int, err error) {
	path := filepath.Join(dir, formatFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var mark formatMark
	if err == nil {
		err = json.Unmarshal(data, &mark)
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w; it says in which format the data folder is: write {\"format\": %d} if this version wrote it", path, err, dataFormat)
	case mark.Format > dataFormat:
		return 0, fmt.Errorf("the data folder %s has format %d, written by hxp %s, and this hxp %s reads up to %d: start that version, or a later one, or restore a backup from before", dir, mark.Format, mark.Program, Version, dataFormat)
	}
	return mark.Format, nil
}

// claimFormat is checkFormat, and marks the folder as one of ours.
func claimFormat(dir string) error {
	format, err := checkFormat(dir)
	if err != nil || format == dataFormat {
		return err
	}
	data, err := json.Marshal(formatMark{dataFormat, Version})
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, formatFile), append(data, '\n'))
}
