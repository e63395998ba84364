package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PrivacyRules say what of an event is not kept as its sender wrote it. They hold for every way in and every reader of the topics, for dead
// letters too, so they stand beside the limits of an event.
type PrivacyRules struct {
	Drop         []string `yaml:"drop" env:"HXP_PRIVACY_DROP" doc:"Fields that are not kept, such as comment. A name is that of a field, or of any member of metadata and of unknown fields, at any depth, in any case."`
	Hash         []string `yaml:"hash" env:"HXP_PRIVACY_HASH" doc:"Fields of text of which a keyed hash is kept (hmac: and 32 digits, HMAC-SHA256 under hash_key), such as user_id. Equal texts have equal hashes in all fields, so joins and counts of users stay as they are."`
	Mask         []string `yaml:"mask" env:"HXP_PRIVACY_MASK" doc:"Fields of text of which the first letter is kept, followed by ***. Users whose masks are equal count as one."`
	HashKey      string   `yaml:"hash_key" env:"HXP_PRIVACY_HASH_KEY" secret:"place" doc:"Where the key of the hashes is: file:PATH or env:NAME, 16 bytes or more. Another key gives other hashes: joins over the change are lost. Without the key nobody can tell who a hash stands for, by trying names neither."`
	StoreContent bool     `yaml:"store_content" env:"HXP_STORE_CONTENT" default:"false" doc:"Keeps prompts and answers that producers put into events (members called prompt, messages, completion, input, output and the like, see docs/privacy.md). Formats of others (OTLP, LiteLLM, OpenAI, Langfuse) and the gateway tap never hand any on."`
}

// On tells whether a field is treated, beside content.
func (r PrivacyRules) On() bool { return len(r.Drop)+len(r.Hash)+len(r.Mask) > 0 }

// minHashKey is the shortest key of hashes in bytes.
const minHashKey = 16

// Validate reports everything that is wrong.
func (r PrivacyRules) Validate() error {
	var errs []error
	seen := map[string]string{}
	for list, names := range r.lists() {
		for _, name := range names {
			if other, twice := seen[strings.ToLower(name)]; twice {
				errs = append(errs, fmt.Errorf("%s: %q stands in %s already; a field is treated in one way", list, name, other))
			}
			seen[strings.ToLower(name)] = list
			if err := treatable(list, name); err != nil {
				errs = append(errs, fmt.Errorf("%s: %q: %w", list, name, err))
			}
		}
	}
	switch {
	case r.HashKey != "" && !strings.HasPrefix(r.HashKey, "file:") && !strings.HasPrefix(r.HashKey, "env:"):
		errs = append(errs, errors.New("hash_key: say where the key is, file:PATH or env:NAME, rather than what it is"))
	case r.HashKey == "" && len(r.Hash) > 0:
		errs = append(errs, errors.New("hash_key: a hash without a key is undone by trying names; say where a key is, file:PATH or env:NAME"))
	}
	return errors.Join(errs...)
}

// lists are the lists of names in a fixed order.
func (r PrivacyRules) lists() func(yield func(string, []string) bool) {
	return func(yield func(string, []string) bool) {
		_ = yield("drop", r.Drop) && yield("hash", r.Hash) && yield("mask", r.Mask)
	}
}

// treatable tells why a name cannot be treated as its list says.
func treatable(list, name string) error {
	switch {
	case name == "" || len(name) > maxRuleName || strings.TrimSpace(name) != name:
		return fmt.Errorf("a name has 1 to %d bytes and no blanks around it", maxRuleName)
	case slices.Contains(envelope, strings.ToLower(name)):
		return errors.New("it belongs to the envelope, which is needed as it is; name fields of data or metadata")
	}
	f, ok := fieldCalled(name)
	switch {
	case !ok || list == "drop":
		return nil
	case Catalogue[f].Type != Text || Catalogue[f].Enum != nil:
		return errors.New("it is no free text; it can only be dropped")
	case f == RequestID && list == "mask":
		return errors.New("masks would make one request of many; hash or drop it")
	}
	return nil
}

var envelope = []string{"event_id", "event_type", "timestamp", "source", "schema_version", "correlation_id", "data", "metadata"}

const maxRuleName = 64

// Doubts names what looks like a slip.
func (r PrivacyRules) Doubts() (out []string) {
	for list, names := range r.lists() {
		for _, name := range names {
			if _, ok := fieldCalled(name); ok {
				continue
			}
			if near, ok := NearestField(strings.ToLower(name), NoKind); ok {
				out = append(out, fmt.Sprintf("%s: %q is no field of an event, so it is looked for in metadata and among unknown fields; if you mean the field, write %s", list, name, near))
			}
		}
	}
	return out
}

// fieldCalled finds a field by its name or an alias, in any case.
func fieldCalled(name string) (Field, bool) {
	for f := range Catalogue {
		s := &Catalogue[f]
		if strings.EqualFold(s.Name, name) || slices.ContainsFunc(s.Aliases, func(a Alias) bool { return strings.EqualFold(a.Name, name) }) {
			return Field(f), true
		}
	}
	return 0, false
}

// treatment is what becomes of a value.
type treatment uint8

const (
	keep treatment = iota
	dropIt
	hashIt
	maskIt
	dropContent // texts, lists and objects only: a number of that name is a count
)

// Privacy applies rules. A nil Privacy changes nothing. It is safe for concurrent use.
type Privacy struct {
	fields  [numFields]treatment
	ruled   []Field              // fields that are treated
	names   map[string]treatment // by name in small letters: every spelling of those fields, and names that the catalogue does not know
	content bool                 // prompts and answers stay
	key     []byte
}

// Compile makes rules ready; key is what HashKey leads to. Rules that keep everything are nil.
func (r PrivacyRules) Compile(key string) (*Privacy, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if len(r.Hash) > 0 && len(key) < minHashKey {
		return nil, fmt.Errorf("hash_key: the key has %d bytes, fewer than %d; make one with: head -c 32 /dev/urandom | base64", len(key), minHashKey)
	}
	if r.StoreContent && !r.On() {
		return nil, nil
	}
	p := &Privacy{content: r.StoreContent, key: []byte(key), names: map[string]treatment{}}
	for list, names := range r.lists() {
		how := map[string]treatment{"drop": dropIt, "hash": hashIt, "mask": maskIt}[list]
		for _, name := range names {
			p.rule(name, how)
		}
	}
	return p, nil
}

// rule treats a field under all its names, or members of a name that no field has.
func (p *Privacy) rule(name string, how treatment) {
	p.names[strings.ToLower(name)] = how
	f, ok := fieldCalled(name)
	if !ok {
		return
	}
	p.fields[f], p.ruled = how, append(p.ruled, f)
	s := &Catalogue[f]
	p.names[strings.ToLower(s.Name)] = how
	for _, a := range s.Aliases {
		p.names[strings.ToLower(a.Name)] = how
	}
}

// Apply treats an event that was read. Applied again it changes nothing.
func (p *Privacy) Apply(e *Event) {
	if p == nil {
		return
	}
	for _, f := range p.ruled {
		if !e.Has(f) {
			continue
		}
		if p.fields[f] == dropIt {
			e.Clear(f)
		} else {
			e.SetText(f, p.Text(f, e.Text(f)))
		}
	}
	if len(e.Extra) > 0 {
		e.Extra = p.object(e.Extra)
	}
	if len(e.Metadata) > 0 {
		e.Metadata = p.object(e.Metadata)
	}
}

// Text is the text of a field as the rules keep it, "" for one that is dropped.
func (p *Privacy) Text(f Field, text string) string {
	if p == nil {
		return text
	}
	switch p.fields[f] {
	case dropIt:
		return ""
	case hashIt:
		return p.Hash(text)
	case maskIt:
		return Mask(text)
	}
	return text
}

// object treats the members of an object of JSON; nil when nothing is left of it.
func (p *Privacy) object(text []byte) []byte {
	if text = p.members(text); len(text) <= len("{}") {
		return nil
	}
	return text
}

// HashedPrefix begins every hash.
const HashedPrefix = "hmac:"

// Hash is what is kept of a text that is hashed. A hash stays what it is, so that events that are read again do not change.
func (p *Privacy) Hash(text string) string {
	if text == "" || hashed(text) {
		return text
	}
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(text))
	var sum [sha256.Size]byte
	return HashedPrefix + hex.EncodeToString(h.Sum(sum[:0])[:16])
}

// Names are the forms in which a text of a field may lie in what is stored: as it is, and as the rules of today make it.
func (p *Privacy) Names(f Field, text string) []string {
	if p == nil || p.fields[f] != hashIt {
		return []string{text}
	}
	return []string{text, p.Hash(text)}
}

func hashed(text string) bool {
	digits, ok := strings.CutPrefix(text, HashedPrefix)
	return ok && len(digits) == 32 && strings.Trim(digits, "0123456789abcdef") == ""
}

const masked = "***"

// Mask keeps the first letter or digit of a text.
func Mask(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return ""
	}
	if n == len(text) || !unicode.IsLetter(first) && !unicode.IsDigit(first) {
		return masked
	}
	return text[:n] + masked
}
