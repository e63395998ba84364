package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
)

// contentNames are members that hold what people and models say, in small letters. Names that mean something else as often (text, message,
// query) are not among them: an operator names those that are said there in drop.
var contentNames = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq(`prompt prompts prompt_text user_prompt system_prompt system_message system_instruction system_instructions instructions
		message_history messages conversation transcript input inputs input_text input_messages input.value output outputs output_text output_messages output.value
		completion completions completion_text choices content contents candidates generated_text generation generations response_text answer answer_text question
		tool_calls tool_arguments function_call arguments reasoning reasoning_content
		gen_ai.prompt gen_ai.completion gen_ai.system_instructions gen_ai.tool.call.arguments gen_ai.tool.call.result
		llm.prompts llm.completions traceloop.entity.input traceloop.entity.output`) {
		names[name] = true
	}
	return names
}()

// contentBeginnings begin such names.
var contentBeginnings = []string{"gen_ai.prompt.", "gen_ai.completion.", "gen_ai.input.messages", "gen_ai.output.messages", "llm.input_messages", "llm.output_messages", "llm.prompts.", "llm.completions."}

func isContent(name []byte) bool {
	if contentNames[string(name)] {
		return true
	}
	if len(name) < 5 || string(name[:3]) != "gen" && string(name[:3]) != "llm" {
		return false
	}
	for _, b := range contentBeginnings {
		if bytes.HasPrefix(name, []byte(b)) {
			return true
		}
	}
	return false
}

// of tells what becomes of a member by its name.
func (p *Privacy) of(name []byte) treatment {
	var room [maxRuleName]byte
	small := room[:copy(room[:], name)]
	for i, c := range small {
		if 'A' <= c && c <= 'Z' {
			small[i] = c | 0x20
		}
	}
	if how, ok := p.names[string(small)]; ok && len(name) <= maxRuleName {
		return how
	}
	if !p.content && isContent(small) {
		return dropContent
	}
	return keep
}

// members treats the members of a JSON text at every depth. It returns the text itself when there is none to treat.
func (p *Privacy) members(text []byte) []byte {
	var out []byte
	copied := 0
	for i := 0; i < len(text); {
		at := bytes.IndexByte(text[i:], '"')
		if at < 0 {
			break
		}
		from := i + at
		end, escaped := scanString(text, from+1)
		if end == fault {
			break
		}
		colon := skipSpace(text, end)
		if colon >= len(text) || text[colon] != ':' { // a text, not a name
			i = end
			continue
		}
		name := text[from+1 : end-1]
		if escaped {
			name = appendUnescaped(nil, name)
		}
		i = skipSpace(text, colon+1)
		how := p.of(name)
		if how == keep {
			continue // its value may have members
		}
		stop := valueEnd(text, i)
		value, stays := p.value(how, text[i:stop])
		switch {
		case stays && bytes.Equal(value, text[i:stop]):
		case stays:
			out = append(append(out, text[copied:i]...), value...)
			copied = stop
		default:
			out = append(out, text[copied:from]...)
			copied = stop
			if next := skipSpace(text, stop); next < len(text) && text[next] == ',' {
				copied = next + 1
			} else {
				out = bytes.TrimSuffix(bytes.TrimRight(out, " \t\r\n"), []byte(","))
			}
		}
		i = stop
	}
	if copied == 0 {
		return text
	}
	return append(out, text[copied:]...)
}

// value treats one value and tells whether anything of it stays.
func (p *Privacy) value(how treatment, raw []byte) (value []byte, stays bool) {
	first := byte(0)
	if len(raw) > 0 {
		first = raw[0]
	}
	switch {
	case first == 'n': // null
		return raw, true
	case how == dropContent && first != '"' && first != '{' && first != '[':
		return raw, true
	case how == dropIt, how == dropContent, first == '{', first == '[':
		return nil, false
	}
	text := string(raw)
	if first == '"' {
		text = string(appendUnescaped(nil, raw[1:len(raw)-1]))
	}
	if how == hashIt {
		text = p.Hash(text)
	} else {
		text = Mask(text)
	}
	return append(append([]byte{'"'}, text...), '"'), true // a hash and a mask have nothing to escape
}

// valueEnd is where the value ends that begins at i of a JSON text.
func valueEnd(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch c := text[i]; c {
		case '"':
			end, _ := scanString(text, i+1)
			if end == fault {
				return len(text)
			}
			if i = end; depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// assigned finds names in a text that is no JSON, each with what gives it a value.
var assigned = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.\-]*)[\\"'` + "`" + `]*\s*[:=]`)

// text treats what is kept of an input that is no event: members of JSON; of a text that is none it ends before the first name that is
// treated, because nobody can tell where the value of that name ends.
func (p *Privacy) text(b []byte) []byte {
	if json.Valid(b) {
		return p.members(b)
	}
	for at := 0; at < len(b); {
		m := assigned.FindSubmatchIndex(b[at:])
		if m == nil {
			return b
		}
		name := b[at+m[2] : at+m[3]]
		if p.of(name) != keep || p.of(name[bytes.LastIndexByte(name, '.')+1:]) != keep {
			return b[:at+m[2]]
		}
		at += m[1]
	}
	return b
}

// Discreet treats a dead letter before it is written: what the rules keep out of events is kept out of what is no event. A payload that
// nobody here can read (Avro with a schema that is not known) is kept by its size and SHA-256 alone where fields are treated.
func (d *Decoder) Discreet(l *DeadLetter) {
	p := d.Limits.Privacy
	if p == nil {
		return
	}
	l.Headers = p.headers(l.Headers)
	l.Reason = p.quiet(l.Pointer, l.Reason)
	payload, ok := d.discreet(l.Payload)
	if !ok {
		sum := sha256.Sum256(l.Payload)
		l.SHA256, l.PayloadSize = hex.EncodeToString(sum[:]), int64(len(l.Payload))
	}
	l.Payload = payload
}

// Treated is the value of a record that is handed on as it came, less what the rules keep out.
func (d *Decoder) Treated(value []byte) []byte {
	if d.Limits.Privacy == nil {
		return value
	}
	treated, _ := d.discreet(value)
	return treated
}

// TreatedHeader is the value of a header of such a record; stays is false where nothing of the header may be handed on.
func (d *Decoder) TreatedHeader(key string, value []byte) (treated []byte, stays bool) {
	p := d.Limits.Privacy
	if p == nil || !strings.HasPrefix(strings.ToLower(key), HeaderCE) {
		return value, true
	}
	text, stays := p.header(key, string(value))
	return []byte(text), stays
}

// discreet is not ok when nothing may be kept, because nobody can read it.
func (d *Decoder) discreet(value []byte) (treated []byte, ok bool) {
	p := d.Limits.Privacy
	if len(value) == 0 || value[0] != 0 {
		return p.text(value), true
	}
	text, bad := d.payload(value)
	switch {
	case bad == nil:
		if treated := p.members(text); !bytes.Equal(treated, text) {
			return treated, true
		}
	case len(p.names) > 0:
		return nil, false
	}
	return value, true
}

// headers treats the attributes of a CloudEvent.
func (p *Privacy) headers(in [][2]string) (out [][2]string) {
	for _, h := range in {
		if text, stays := p.header(h[0], h[1]); stays {
			out = append(out, [2]string{h[0], text})
		}
	}
	return out
}

// header treats the text of a header that is an attribute of a CloudEvent.
func (p *Privacy) header(key, text string) (treated string, stays bool) {
	name, attribute := strings.CutPrefix(strings.ToLower(key), HeaderCE)
	if !attribute {
		return text, true
	}
	switch p.of([]byte(name)) {
	case keep:
		return text, true
	case hashIt:
		return p.Hash(text), true
	case maskIt:
		return Mask(text), true
	}
	return "", false
}

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)

// quiet is a reason without quotations of the value, when that is one that is treated.
func (p *Privacy) quiet(pointer, reason string) string {
	for name := range strings.SplitSeq(pointer, "/") {
		if name != "" && p.of([]byte(name)) != keep {
			return quoted.ReplaceAllString(reason, `"…"`)
		}
	}
	return reason
}
