package conf

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// setText sets the value from text, as it stands in the environment, a flag, a default or a YAML scalar. On error the value
// stays as it was.
func (st *Setting) setText(text string) error {
	v := st.value
	switch {
	case v.Type() == durationType:
		d, err := st.duration(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
	case v.Type() == stringsType:
		return st.setList(list(text))
	case v.Type() == mapType:
		m := map[string]string{}
		for _, item := range list(text) {
			k, val, ok := strings.Cut(item, "=")
			if !ok {
				return fmt.Errorf("%s has no =; write name=value,name=value", st.quote(item))
			}
			m[strings.TrimSpace(k)] = strings.TrimSpace(val)
		}
		v.Set(reflect.ValueOf(m))
	case st.items != nil:
		return fmt.Errorf("a list of sections can only be written in a file")
	default:
		return st.setScalar(text)
	}
	return nil
}

func (st *Setting) setScalar(text string) error {
	v := st.value
	switch v.Kind() {
	case reflect.String:
		s, err := st.choice(text)
		if err != nil {
			return err
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := truth(text)
		if !ok {
			return fmt.Errorf("%s is neither true nor false", st.quote(text))
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return fmt.Errorf("%s is no whole number%s", st.quote(text), st.example())
		}
		if err := st.within(float64(n), func(bound string) (float64, error) { return strconv.ParseFloat(bound, 64) }, strconv.FormatInt(n, 10)); err != nil {
			return err
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s is no number%s", st.quote(text), st.example())
		}
		if err := st.within(f, func(bound string) (float64, error) { return strconv.ParseFloat(bound, 64) }, strings.TrimSpace(text)); err != nil {
			return err
		}
		v.SetFloat(f)
	}
	return nil
}

// setList sets a list of texts.
func (st *Setting) setList(items []string) error {
	for i, item := range items {
		s, err := st.choice(item)
		if err != nil {
			return err
		}
		items[i] = s
	}
	st.value.Set(reflect.ValueOf(items))
	return nil
}

// choice holds text to the enum, if there is one, and gives it the enum's spelling.
func (st *Setting) choice(text string) (string, error) {
	if len(st.Enum) == 0 {
		return text, nil
	}
	for _, e := range st.Enum {
		if strings.EqualFold(e, strings.TrimSpace(text)) {
			return e, nil
		}
	}
	return "", fmt.Errorf("%s is none of %s%s", st.quote(text), strings.Join(st.Enum, ", "), words.DidYouMean(text, st.Enum))
}

// duration reads "1m30s" or a plain number in the setting's unit.
func (st *Setting) duration(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	d, err := parseDuration(text, st.Unit)
	if err != nil {
		return 0, fmt.Errorf("%s is no duration; write one like 30s, 5m or 1h30m%s", st.quote(text), st.plainUnit())
	}
	if st.Min == "" && d < 0 {
		return 0, fmt.Errorf("%s is negative", st.quote(text))
	}
	bound := func(b string) (float64, error) {
		d, err := parseDuration(b, st.Unit)
		return float64(d), err
	}
	return d, st.within(float64(d), bound, text)
}

func (st *Setting) plainUnit() string {
	if st.Unit == "ms" {
		return ", or a number of milliseconds"
	}
	return ", or a number of seconds"
}

func parseDuration(text, unit string) (time.Duration, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.ParseDuration(text)
	}
	each := time.Second
	if unit == "ms" {
		each = time.Millisecond
	}
	n *= float64(each)
	if math.IsNaN(n) || math.Abs(n) > math.MaxInt64/2 {
		return 0, fmt.Errorf("out of range")
	}
	return time.Duration(math.Round(n)), nil
}

// within holds a number to min and max. text is how the user wrote it.
func (st *Setting) within(v float64, bound func(string) (float64, error), text string) error {
	for _, b := range []struct {
		tag string
		bad func(limit float64) bool
	}{{st.Min, func(l float64) bool { return v < l }}, {st.Max, func(l float64) bool { return v > l }}} {
		if b.tag == "" {
			continue
		}
		limit, err := bound(b.tag)
		if err != nil {
			panic(fmt.Sprintf("conf: bound of %s: %v", st.Key, err))
		}
		if b.bad(limit) {
			return fmt.Errorf("%s is not %s", text, st.rangeText())
		}
	}
	return nil
}

// rangeText is "within 1 to 5", "at least 1", "at most 5" or "".
func (st *Setting) rangeText() string {
	switch {
	case st.Min != "" && st.Max != "":
		return "within " + st.Min + " to " + st.Max
	case st.Min != "":
		return "at least " + st.Min
	case st.Max != "":
		return "at most " + st.Max
	}
	return ""
}

func (st *Setting) example() string {
	if st.Default == "" || st.Secret {
		return ""
	}
	return "; write one like " + st.Default
}

// quote shows what the user wrote, unless it is secret.
func (st *Setting) quote(text string) string {
	if st.Secret {
		return "the value (not shown)"
	}
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	return strconv.Quote(Redact(text))
}

func truth(text string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}
