package sdk

import "bytes"

// maxLine is how much is kept of a line that comes in pieces; of a longer one the pieces are handed on as they come.
const maxLine = 16 << 10

// lines finds the data lines of an event stream (SSE) in pieces of any size.
type lines struct {
	to   liner
	kept []byte // the beginning of a line whose end has not come yet
	long bool   // the line has outgrown maxLine and its beginning was handed on
	skip bool   // the line is long and no data
}

// liner is told the data of a stream, which is only lent.
type liner interface {
	line(data []byte)              // a whole line
	piece(data []byte, first bool) // a part of a very long one
}

func (l *lines) feed(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			l.part(b)
			return
		}
		if part := b[:end]; len(l.kept) > 0 || l.long {
			l.part(part)
			l.end()
		} else if data, ok := dataOf(part); ok {
			l.to.line(data)
		}
		b = b[end+1:]
	}
}

// part takes bytes of a line whose end has not come yet.
func (l *lines) part(b []byte) {
	if !l.long {
		n := min(len(b), maxLine-len(l.kept))
		l.kept = append(l.kept, b[:n]...)
		if b = b[n:]; len(b) == 0 {
			return
		}
		data, ok := dataOf(l.kept)
		if l.long, l.skip = true, !ok; ok {
			l.to.piece(data, true)
		}
	}
	if !l.skip {
		l.to.piece(b, false)
	}
}

// end is the end of a line that came in parts.
func (l *lines) end() {
	if data, ok := dataOf(l.kept); ok && !l.long {
		l.to.line(data)
	}
	l.kept, l.long, l.skip = l.kept[:0], false, false
}

const field = "data:"

// dataOf returns the value of a line "data: …", without the carriage return that may end it.
func dataOf(line []byte) ([]byte, bool) {
	if len(line) < len(field) || string(line[:len(field)]) != field {
		return nil, false
	}
	line = line[len(field):]
	if len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	return bytes.TrimSuffix(line, []byte{'\r'}), true
}

// The words by which lines are told apart without reading them as JSON.
var (
	wordUsage = []byte(`"usage":`)
	ends      = [][]byte{[]byte(`"finish_reason":`), []byte(`"stop_reason":`)}
	contents  = map[string][][]byte{
		opChat:       {[]byte(`"content":`), []byte(`"reasoning_content":`), []byte(`"reasoning":`), []byte(`"arguments":`), []byte(`"refusal":`)},
		opCompletion: {[]byte(`"text":`)},
		opResponse:   {[]byte(`"delta":`)},
		opMessage:    {[]byte(`"text":`), []byte(`"thinking":`), []byte(`"partial_json":`)},
	}
)

// says tells whether some member of that name (`"name":`) has a value that begins with open and goes on: `"x` for a text
// that is not empty, `{` for an object.
func says(line, name []byte, text bool) bool {
	for {
		i := bytes.Index(line, name)
		if i < 0 {
			return false
		}
		line = line[i+len(name):]
		v := line
		for len(v) > 0 && v[0] == ' ' {
			v = v[1:]
		}
		if text && len(v) > 1 && v[0] == '"' && v[1] != '"' || !text && len(v) > 0 && v[0] == '{' {
			return true
		}
	}
}

func saysAny(line []byte, names [][]byte) bool {
	for _, n := range names {
		if says(line, n, true) {
			return true
		}
	}
	return false
}
