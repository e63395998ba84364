package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Reference is the slow and plain reading of an event, on encoding/json. Parse agrees with it on every input: what Parse does
// not accept at once it hands to Reference, which therefore words every fault. Faults are looked for in this order, and the
// first one is told:
//
//  1. size of the payload
//  2. UTF-8 of the payload
//  3. depth, number of keys and syntax of the whole text
//  4. the payload is an object
//  5. event_type
//  6. event_id, timestamp, source, schema_version, correlation_id, data, metadata
//  7. data fields of the kind in the order of the catalogue, each under its own name or else its first alias
//  8. unknown fields in the order of the text
//
// Of keys given twice in one object the last one counts, in the place of the first. A null is as good as absent.
// Texts of e do not alias data. After a fault e holds no more than its Kind, if that much was to be read.
func Reference(data []byte, e *Event) *Invalid {
	e.Reset()
	if v := wellFormed(data); v != nil {
		return v
	}
	return meaning(data, e)
}

// meaning is Reference for a text that is known to be well-formed.
func meaning(data []byte, e *Event) *Invalid {
	e.Reset()
	if bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return wrongType("", "an object", data)
	}
	r := reader{e: e, top: members(data)}
	for _, step := range []func() *Invalid{r.kind, r.envelope, r.fields, r.unknown} {
		if v := step(); v != nil {
			kind := e.Kind
			e.Reset()
			e.Kind = kind
			return v
		}
	}
	e.Settle()
	return nil
}

// wellFormed judges the text before its meaning.
func wellFormed(data []byte) *Invalid {
	if len(data) > MaxSize {
		return invalid(CodeSize, "", fmt.Sprintf("payload of %d bytes; at most %d are taken, so split it or leave texts out", len(data), MaxSize))
	}
	if !utf8.Valid(data) {
		return invalid(CodeUTF8, "", fmt.Sprintf("byte %d is not UTF-8; encode the payload as UTF-8", invalidByte(data)))
	}
	if v := withinLimits(data); v != nil {
		return v
	}
	if !json.Valid(data) {
		return invalid(CodeSyntax, "", syntaxDetail(data))
	}
	return nil
}

func invalidByte(data []byte) int {
	n := 0
	for n < len(data) {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

// withinLimits walks the tokens up to the first limit that is passed; a syntax error ends the walk and is judged elsewhere.
func withinLimits(data []byte) *Invalid {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		object bool
		tokens int
	}
	var stack []level
	keys := 0
	for {
		token, err := dec.Token()
		if err != nil || len(stack) == 0 && token == nil {
			return nil
		}
		if n := len(stack); n > 0 && token != json.Delim('}') && token != json.Delim(']') {
			if stack[n-1].object && stack[n-1].tokens%2 == 0 {
				keys++
			}
			stack[n-1].tokens++
		}
		if keys > MaxKeys {
			return invalid(CodeKeys, "", fmt.Sprintf("more than %d object keys; send fewer fields or several events", MaxKeys))
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			stack = append(stack, level{object: token == json.Delim('{')})
			if len(stack) > MaxDepth {
				return invalid(CodeDepth, "", fmt.Sprintf("nested deeper than %d; flatten the payload", MaxDepth))
			}
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) == 0 {
			return nil
		}
	}
}

func syntaxDetail(data []byte) string {
	if len(bytes.TrimLeft(data, " \t\r\n")) == 0 {
		return "empty payload; send one JSON object"
	}
	err := json.Unmarshal(data, new(json.RawMessage))
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("not JSON at byte %d: %s", s.Offset, shorten(s.Error(), 200))
	}
	return fmt.Sprintf("not JSON: %v", err)
}

// object is a JSON object with its keys in the order of the text.
type object struct {
	names  []string
	values map[string]json.RawMessage
}

// members splits a valid JSON object.
func members(raw []byte) object {
	o := object{values: map[string]json.RawMessage{}}
	dec := json.NewDecoder(bytes.NewReader(raw))
	must(dec.Token())
	for dec.More() {
		name := must(dec.Token()).(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			panic(err) // the text was judged before
		}
		if _, twice := o.values[name]; !twice {
			o.names = append(o.names, name)
		}
		o.values[name] = value
	}
	return o
}

func must[T any](v T, err error) T {
	if err != nil && err != io.EOF {
		panic(err)
	}
	return v
}

// get returns the value of a key, nil when it is absent or null.
func (o object) get(name string) json.RawMessage {
	if raw := o.values[name]; string(raw) != "null" {
		return raw
	}
	return nil
}

// append adds a member to the text of an object, its value without insignificant whitespace.
func appendMember(dst []byte, name string, raw []byte) []byte {
	if len(dst) == 0 {
		dst = append(dst, '{', '}')
	}
	dst = dst[:len(dst)-1]
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = append(appendString(dst, name), ':')
	return append(appendCompact(dst, raw), '}')
}

func appendCompact(dst, raw []byte) []byte {
	b := bytes.NewBuffer(dst)
	if err := json.Compact(b, raw); err != nil {
		panic(err) // the text was judged before
	}
	return b.Bytes()
}

type reader struct {
	e      *Event
	top    object
	data   object // fields of the event: "data", or top itself in the flat form
	parent string // pointer of data
}

func (r *reader) kind() *Invalid {
	const at = "/event_type"
	raw := r.top.get("event_type")
	if raw == nil {
		return invalid(CodeKind, at, "event_type is missing; give one of "+kindList())
	}
	s, v := text(raw, at, math.MaxInt)
	if v != nil {
		return v
	}
	k, known := ParseKind(s)
	if !known {
		return invalid(CodeKind, at, fmt.Sprintf("%s is not an event type; %s is the nearest, all are %s", quote(s), quote(nearestKind(s)), kindList()))
	}
	r.e.Kind = k
	return nil
}

func (r *reader) envelope() *Invalid {
	for _, t := range []struct {
		name string
		to   *string
		max  int
	}{{"event_id", &r.e.ID, maxIDText}, {"timestamp", nil, 0}, {"source", &r.e.Source, maxText}, {"schema_version", &r.e.SchemaVersion, maxText}, {"correlation_id", &r.e.CorrelationID, maxIDText}} {
		raw := r.top.get(t.name)
		if raw == nil {
			continue
		}
		var v *Invalid
		if t.to == nil {
			r.e.Time, v = timestamp(raw, "/timestamp")
			r.e.HasTime = v == nil
		} else {
			*t.to, v = text(raw, "/"+t.name, t.max)
		}
		if v != nil {
			return v
		}
	}
	r.data = r.top
	if raw := r.top.get("data"); raw != nil {
		if raw[0] != '{' {
			return wrongType("/data", "an object", raw)
		}
		r.data, r.parent = members(raw), "/data"
	}
	return r.metadata()
}

// metadata keeps the object of that name as it came and, beside "data", adds the envelope fields that nobody knows; a name
// that stands in both has the value of the object.
func (r *reader) metadata() *Invalid {
	raw := r.top.get("metadata")
	var own object
	if raw != nil {
		if raw[0] != '{' {
			return wrongType("/metadata", "an object", raw)
		}
		if own = members(raw); len(own.names) > 0 {
			r.e.Metadata = appendCompact(nil, raw)
		}
	}
	if r.parent == "" {
		return nil
	}
	var strangers []string
	for _, name := range r.top.names {
		if _, has := own.values[name]; !has && !isEnvelope(name) && r.top.get(name) != nil {
			strangers = append(strangers, name)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	r.e.Metadata = nil
	for _, name := range own.names {
		r.e.Metadata = appendMember(r.e.Metadata, name, own.values[name])
	}
	for _, name := range strangers {
		r.e.Metadata = appendMember(r.e.Metadata, name, r.top.values[name])
	}
	return nil
}

func isEnvelope(name string) bool {
	switch name {
	case "event_id", "event_type", "timestamp", "source", "schema_version", "correlation_id", "data", "metadata":
		return true
	}
	return false
}

func (r *reader) fields() *Invalid {
	for f := range numFields {
		s := &Catalogue[f]
		if !s.of(r.e.Kind) {
			continue
		}
		name, scale := s.Name, int64(1)
		raw := r.data.get(name)
		for _, a := range s.Aliases {
			if raw == nil {
				name, scale, raw = a.Name, a.Scale, r.data.get(a.Name)
			}
		}
		if raw == nil {
			continue
		}
		if v := r.field(f, raw, scale, pointer(r.parent, name)); v != nil {
			return v
		}
	}
	return nil
}

func (r *reader) field(f Field, raw json.RawMessage, scale int64, at string) (v *Invalid) {
	s := &Catalogue[f]
	switch s.Type {
	case Text:
		var t string
		if t, v = text(raw, at, f.maxText()); v != nil {
			return v
		}
		if len(s.Enum) > 0 && !contains(s.Enum, t) {
			return invalid(CodeRange, at, fmt.Sprintf("%s is not one of %s", quote(t), strings.Join(s.Enum, ", ")))
		}
		r.e.SetText(f, t)
	case Boolean:
		if string(raw) != "true" && string(raw) != "false" {
			return wrongType(at, "true or false", raw)
		}
		r.e.SetBool(f, raw[0] == 't')
	case Number:
		var n float64
		if n, v = number(raw, s, at); v != nil {
			return v
		}
		r.e.SetFloat(f, n)
	default:
		var n int64
		if n, v = integer(raw, s, scale, at); v != nil {
			return v
		}
		r.e.SetInt(f, n)
	}
	return nil
}

// unknown keeps what the catalogue does not know for the kind: numbers of a system_metric under names that it knows for no
// kind as Metrics, everything else in Extra.
func (r *reader) unknown() *Invalid {
	for _, name := range r.data.names {
		raw := r.data.get(name)
		if raw == nil || r.parent == "" && isEnvelope(name) || r.belongs(name) {
			continue
		}
		if r.e.Kind == SystemMetric && isNumber(raw) && !inCatalogue(name) {
			if v := r.metric(name, raw); v != nil {
				return v
			}
			continue
		}
		r.e.Extra = appendMember(r.e.Extra, name, raw)
	}
	return nil
}

func (r *reader) metric(name string, raw json.RawMessage) *Invalid {
	at := pointer(r.parent, name)
	if len(name) > maxMetricName {
		return invalid(CodeSize, at, fmt.Sprintf("name of a metric with %d bytes; at most %d are taken", len(name), maxMetricName))
	}
	n, v := number(raw, &Spec{Min: -math.MaxFloat64, Max: math.MaxFloat64}, at)
	if v != nil {
		return v
	}
	if len(r.e.Metrics) == MaxMetrics {
		return invalid(CodeKeys, at, fmt.Sprintf("more than %d metrics under their own names; send several events", MaxMetrics))
	}
	r.e.Metrics = append(r.e.Metrics, Metric{name, n})
	return nil
}

// belongs tells whether name is a field of the event's kind, under its own name or an alias.
func (r *reader) belongs(name string) bool {
	for f := range numFields {
		if s := &Catalogue[f]; s.of(r.e.Kind) && s.called(name) {
			return true
		}
	}
	return false
}

func inCatalogue(name string) bool {
	for f := range numFields {
		if Catalogue[f].called(name) {
			return true
		}
	}
	return false
}

func (s *Spec) called(name string) bool {
	for _, a := range s.Aliases {
		if a.Name == name {
			return true
		}
	}
	return s.Name == name
}

func (s *Spec) of(k Kind) bool {
	for _, have := range s.Kinds {
		if have == k {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// maxText is the longest text of a field in bytes.
func (f Field) maxText() int {
	switch f {
	case RequestID, UserID, SessionID:
		return maxIDText
	case Model:
		return maxModelText
	case Comment:
		return maxComment
	}
	return maxText
}

func isNumber(raw []byte) bool { return raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' }

func wrongType(at, want string, raw []byte) *Invalid {
	got := "a number"
	switch bytes.TrimLeft(raw, " \t\r\n")[0] {
	case '{':
		got = "an object"
	case '[':
		got = "an array"
	case '"':
		got = "a string"
	case 't', 'f':
		got = "a boolean"
	case 'n':
		got = "null"
	}
	return invalid(CodeType, at, fmt.Sprintf("must be %s, not %s", want, got))
}

func text(raw json.RawMessage, at string, limit int) (string, *Invalid) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", wrongType(at, "a string", raw)
	}
	if len(s) > limit {
		return "", invalid(CodeSize, at, fmt.Sprintf("text of %d bytes; at most %d are taken", len(s), limit))
	}
	return s, nil
}

// number reads a float64 within the limits of s.
func number(raw json.RawMessage, s *Spec, at string) (float64, *Invalid) {
	if !isNumber(raw) {
		return 0, wrongType(at, "a number", raw)
	}
	if len(raw) > maxNumber {
		return 0, longNumber(at, raw)
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case n < 0 && s.Min >= 0:
		return 0, invalid(CodeNegative, at, fmt.Sprintf("%s is negative", quote(string(raw))))
	case err != nil || n < s.Min || n > s.Max:
		return 0, outOfRange(at, raw, s, 1)
	}
	return n + 0, nil // -0 becomes 0
}

// integer reads an exact integer in the unit that is held; scale brings an alias to the unit of the field's own name.
func integer(raw json.RawMessage, s *Spec, scale int64, at string) (int64, *Invalid) {
	if !isNumber(raw) {
		return 0, wrongType(at, "a number", raw)
	}
	if len(raw) > maxNumber {
		return 0, longNumber(at, raw)
	}
	shift := s.Type.digits() + len(strconv.FormatInt(scale, 10)) - 1
	n, exact := bigScaled(string(raw), shift)
	lo, hi := s.limits()
	switch {
	case s.Type == Integer && !exact:
		return 0, invalid(CodeType, at, fmt.Sprintf("must be a whole number, not %s", quote(string(raw))))
	case lo >= 0 && n.Sign() < 0:
		return 0, invalid(CodeNegative, at, fmt.Sprintf("%s is negative", quote(string(raw))))
	case n.Cmp(big.NewInt(lo)) < 0 || n.Cmp(big.NewInt(hi)) > 0:
		return 0, outOfRange(at, raw, s, scale)
	}
	return n.Int64(), nil
}

func longNumber(at string, raw []byte) *Invalid {
	return invalid(CodeRange, at, fmt.Sprintf("number of %d characters; at most %d are taken", len(raw), maxNumber))
}

func outOfRange(at string, raw []byte, s *Spec, scale int64) *Invalid {
	bound := func(x float64) string { return strconv.FormatFloat(x/float64(scale), 'g', -1, 64) }
	unit := ""
	if s.Unit != "" && scale == 1 {
		unit = " " + s.Unit
	}
	return invalid(CodeRange, at, fmt.Sprintf("%s is not between %s and %s%s", quote(string(raw)), bound(s.Min), bound(s.Max), unit))
}

// bigScaled returns the number × 10^shift, halves rounded to even, and whether it is exact. Beyond ±10^400, where no limit
// lies, it returns just that.
func bigScaled(lit string, shift int) (n *big.Int, exact bool) {
	n, power := bigDecimal(lit)
	power += shift
	switch {
	case n.Sign() == 0:
		return n, true
	case power > 400:
		return n.Mul(n, bigPow10(400)), true
	case power >= 0:
		return n.Mul(n, bigPow10(power)), true
	case power < -2*maxNumber:
		return new(big.Int), false
	}
	unit := bigPow10(-power)
	quotient, rest := new(big.Int).QuoRem(n, unit, new(big.Int))
	exact = rest.Sign() == 0
	half := rest.Abs(rest).Lsh(rest, 1).Cmp(unit)
	if half > 0 || half == 0 && quotient.Bit(0) == 1 {
		quotient.Add(quotient, big.NewInt(int64(n.Sign())))
	}
	return quotient, exact
}

// bigDecimal splits a valid JSON number into an integer and a power of ten; exponents beyond ±10^6 are as good as those.
func bigDecimal(lit string) (n *big.Int, power int) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(lit), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		panic("event: not a JSON number: " + lit)
	}
	const far = 1e6
	if exponent != "" {
		p, err := strconv.ParseInt(exponent, 10, 64)
		switch {
		case err == nil:
			p = min(max(p, -far), far)
		case exponent[0] == '-':
			p = -far
		default:
			p = far
		}
		power = int(p)
	}
	return n, power - len(fraction)
}

func bigPow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// timestamp reads a string as RFC 3339 and a number as seconds since the epoch, above 1e11 as milliseconds.
func timestamp(raw json.RawMessage, at string) (int64, *Invalid) {
	bad := invalid(CodeTimestamp, at, fmt.Sprintf("%s is not a time from 1970 to 9999; give RFC 3339 like 2026-05-01T12:00:00Z, or seconds or milliseconds since the epoch", shorten(string(raw), 60)))
	switch {
	case isNumber(raw):
		if us, ok := epoch(string(raw)); ok {
			return us, nil
		}
		return 0, bad
	case raw[0] != '"':
		return 0, wrongType(at, "a string or a number", raw)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return 0, bad
	}
	if us, ok := referenceTime(s); ok {
		return us, nil
	}
	return 0, bad
}

// referenceTime is ParseTime by the standard library.
func referenceTime(s string) (int64, bool) {
	parts := rfc3339.FindStringSubmatch(s)
	if parts == nil {
		return 0, false
	}
	micros := (strings.TrimPrefix(parts[1], ".") + "000000")[:6]
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s[:19]+"."+micros+parts[2]))
	if err != nil {
		return 0, false
	}
	us := t.UnixMicro()
	return us, us >= 0 && us < maxMicros
}

func epoch(lit string) (int64, bool) {
	if len(lit) > maxNumber {
		return 0, false
	}
	n, power := bigDecimal(lit)
	if n.Sign() == 0 {
		return 0, true
	}
	if n.Sign() < 0 || power > 20 {
		return 0, false
	}
	power += 6
	if seconds, exact := bigScaled(lit, 0); seconds.Cmp(big.NewInt(1e11)) > 0 || seconds.Cmp(big.NewInt(1e11)) == 0 && !exact && above(lit) {
		power -= 3
	}
	if power >= 0 {
		n.Mul(n, bigPow10(power))
	} else {
		n.Quo(n, bigPow10(min(-power, 2*maxNumber)))
	}
	return n.Int64(), n.Cmp(big.NewInt(maxMicros)) < 0
}

// above tells whether a number that rounds to 1e11 is above it.
func above(lit string) bool {
	n, power := bigDecimal(lit)
	return n.Cmp(new(big.Int).Mul(big.NewInt(1e11), bigPow10(-power))) > 0
}

func kindList() string {
	names := make([]string, 0, len(Kinds))
	for _, k := range Kinds {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// nearestKind returns the kind whose name takes the fewest edits to get from s.
func nearestKind(s string) string {
	s = strings.ToLower(shorten(s, 40))
	best, fewest := "", math.MaxInt
	for _, k := range Kinds {
		if d := distance(s, k.String()); d < fewest {
			best, fewest = k.String(), d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			next := diagonal
			if a[i] != b[j] {
				next = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
