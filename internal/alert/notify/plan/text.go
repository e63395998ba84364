package plan

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time as Prometheus writes it: 1h30m, 45s, 2d.
type Duration time.Duration

var durationParts = regexp.MustCompile(`^(?:(\d{1,4})y)?(?:(\d{1,6})w)?(?:(\d{1,7})d)?(?:(\d{1,8})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,12})ms)?$`)

var durationUnits = []time.Duration{365 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second, time.Millisecond}

const longest = 366 * 24 * time.Hour

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*d = 0
		return nil
	}
	m := durationParts.FindStringSubmatch(string(text))
	if m == nil || len(text) == 0 {
		return fmt.Errorf("%.40q is no duration; write one such as 30s, 5m, 1h30m or 1d", text)
	}
	sum := time.Duration(0)
	for i, unit := range durationUnits {
		n, _ := strconv.ParseInt("0"+m[i+1], 10, 64) // digits, and few
		if n > int64(longest/unit) {
			return fmt.Errorf("%.40q is longer than a year", text)
		}
		sum += time.Duration(n) * unit
	}
	if sum > longest {
		return fmt.Errorf("%.40q is longer than a year", text)
	}
	*d = Duration(sum)
	return nil
}

// MarshalText writes it in the same way, without years and weeks.
func (d Duration) MarshalText() ([]byte, error) {
	if d == 0 {
		return []byte("0s"), nil
	}
	var b []byte
	rest := time.Duration(d)
	for i, name := range []string{"d", "h", "m", "s", "ms"} {
		unit := durationUnits[i+2]
		if n := rest / unit; n > 0 {
			b = append(strconv.AppendInt(b, int64(n), 10), name...)
			rest -= n * unit
		}
	}
	return b, nil
}

// Secret says where a secret is: env:NAME or file:PATH.
type Secret string

// UnmarshalText refuses what may be the secret itself.
func (s *Secret) UnmarshalText(text []byte) error {
	where := string(text)
	name, isEnv := strings.CutPrefix(where, "env:")
	file, isFile := strings.CutPrefix(where, "file:")
	switch {
	case where != "" && !isEnv && !isFile:
		return errors.New("say where the secret is, env:NAME or file:PATH, rather than what it is")
	case isEnv && name == "", isFile && !strings.HasPrefix(file, "/"):
		return errors.New("write env:NAME, or file: with a path that begins with /")
	}
	*s = Secret(where)
	return nil
}

// fromFile takes over what Alertmanager writes as X_file.
func (s *Secret) fromFile(file *string) error {
	if *file == "" {
		return nil
	}
	if *s != "" {
		return errors.New("the secret is named twice; leave one of the two out")
	}
	err := s.UnmarshalText([]byte("file:" + *file))
	*file = ""
	return err
}
