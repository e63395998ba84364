package app

import (
	"errors"
	"fmt"
	"io"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
)

//go:generate sh -c "go run ../../cmd/hxp config reference > ../../docs/configuration.md"

// ConfigCheck writes every warning and every fault of the configuration to w, one a line, and fails when there is a fault.
func ConfigCheck(w io.Writer, o LoadOptions) error {
	_, tree, err := LoadConfig(o)
	for _, f := range tree.Warnings {
		fmt.Fprintf(w, "warning: %s\n", f)
	}
	if err == nil {
		verdict := "the configuration is good"
		if n := len(tree.Warnings); n > 0 {
			verdict += fmt.Sprintf(" (warnings: %d)", n)
		}
		_, err = fmt.Fprintln(w, verdict)
		return err
	}
	faults, ok := errors.AsType[conf.Faults](err)
	if !ok {
		return err
	}
	for _, f := range faults {
		fmt.Fprintln(w, f)
	}
	if len(faults) == 1 {
		return errors.New("the configuration has a fault")
	}
	return fmt.Errorf("the configuration has %d faults", len(faults))
}

// ConfigShow writes the effective settings with their origins, without secrets, as a table or as JSON.
func ConfigShow(w io.Writer, o LoadOptions, asJSON bool) error {
	_, tree, err := LoadConfig(o)
	switch {
	case err != nil:
		return err
	case asJSON:
		return tree.WriteJSON(w)
	}
	return tree.WriteText(w)
}

// ConfigReference writes the page of all settings in Markdown.
func ConfigReference(w io.Writer) error {
	_, err := w.Write(conf.Reference(&Config{}, referenceIntro, takesEffect))
	return err
}

const referenceIntro = `# Configuration

<!-- Made by ` + "`hxp config reference`" + ` from the settings in the code; change it there. -->

Defaults, then the YAML files, then the environment, then flags: what comes later wins. The files are
` + "`<config dir>/services/{kafka-api,event-processing-api,batch-processing-api,data-streaming-api}.yaml`" + `; the config dir is
` + "`--config`, else `/opt/citadel/config`" + ` where it exists. ` + "`--env-file F`" + ` reads KEY=VALUE lines as systemd does; the
environment wins over them. An empty variable counts as not set; unknown variables are left alone; unknown YAML keys are
refused. ` + "`hxp config check`" + ` tells everything that is wrong at once, ` + "`hxp config show`" + ` prints the effective values and where
each came from.

A secret may be written as ` + "`file:PATH` (the file holds it alone, at most 4 KiB) or `env:NAME`" + `, in files and variables alike, so that no configuration has to hold it;
so may URLs that may have a password in them. It is read at the start. Secrets are never shown, nor are passwords inside URLs.

The sections ` + "`kafka` and `monitoring`" + ` stand in all four files and mean the same there: what one file sets, all have.
In ` + "`hxp config show`" + ` the sections that several files have bear the file's name in front, but for those of batch-processing-api.

**Takes effect** on a reload (SIGHUP, ` + "`systemctl reload`" + `): it is read anew then, all or nothing; on a restart: the log names what
waits for it.`
