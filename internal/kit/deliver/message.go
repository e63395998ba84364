package deliver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"regexp"
	"strings"
	"time"
)

// Message is a mail to one recipient. Its bytes depend on it alone.
type Message struct {
	From, To    string // checked by CheckAddress
	Name        string // of the sender, "" for none
	Subject     string
	Date        time.Time
	Key         string // of what is sent to whom: the Message-ID is made from it
	Text, HTML  string
	Attachments []Attachment
}

// Attachment is a file in a mail.
type Attachment struct {
	Name, Type string
	Body       []byte
}

// ID is the Message-ID: the same for the same key, so that a second copy is known as one.
func (m *Message) ID() string {
	sum := sha256.Sum256([]byte(m.Key))
	return "<" + hex.EncodeToString(sum[:16]) + "@" + domainOf(m.From) + ">"
}

// maxSubject bounds a subject, in bytes.
const maxSubject = 200

// Bytes writes the message by RFC 5322 and RFC 2045: only ASCII, lines that end in CRLF and are short, no line with a lone point.
func (m *Message) Bytes() ([]byte, error) {
	for _, a := range []string{m.From, m.To} {
		if err := CheckAddress(a); err != nil {
			return nil, fmt.Errorf("address %q: %w", a, err)
		}
	}
	if m.Text == "" || m.HTML == "" {
		return nil, errors.New("a mail needs a text and a page")
	}
	var b strings.Builder
	field := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	from := "<" + m.From + ">"
	if m.Name != "" {
		from = encoded(m.Name) + " " + from
	}
	field("From", from)
	field("To", "<"+m.To+">")
	field("Subject", encoded(m.Subject))
	field("Date", m.Date.UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000"))
	field("Message-ID", m.ID())
	field("Auto-Submitted", "auto-generated")
	field("MIME-Version", "1.0")
	mixed, either := m.boundary("mixed"), m.boundary("alternative")
	field("Content-Type", `multipart/mixed; boundary="`+mixed+`"`)
	b.WriteString("\r\n--" + mixed + "\r\n")
	field("Content-Type", `multipart/alternative; boundary="`+either+`"`)
	b.WriteString("\r\n")
	for _, part := range [][2]string{{"text/plain; charset=utf-8", m.Text}, {"text/html; charset=utf-8", m.HTML}} {
		b.WriteString("--" + either + "\r\n")
		field("Content-Type", part[0])
		field("Content-Transfer-Encoding", "base64")
		b.WriteString("\r\n")
		folded(&b, []byte(part[1]))
	}
	b.WriteString("--" + either + "--\r\n")
	for _, a := range m.Attachments {
		b.WriteString("--" + mixed + "\r\n")
		field("Content-Type", plainType(a.Type)+`; name="`+fileName(a.Name)+`"`)
		field("Content-Disposition", `attachment; filename="`+fileName(a.Name)+`"`)
		field("Content-Transfer-Encoding", "base64")
		b.WriteString("\r\n")
		folded(&b, a.Body)
	}
	b.WriteString("--" + mixed + "--\r\n")
	return []byte(b.String()), nil
}

// encoded makes a text that a header can hold: words of RFC 2047 on lines of their own, without breaks or controls.
func encoded(text string) string {
	clean := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }), " ")
	for len(clean) > maxSubject {
		clean = clean[:maxSubject]
		clean = strings.ToValidUTF8(clean, "")
	}
	if clean = strings.TrimSpace(clean); clean == "" {
		return "-"
	}
	safe := func(r rune) bool {
		return r != ' ' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != ',' && r != '.' && r != ':' && r != '/'
	}
	if len(clean) <= 60 && strings.IndexFunc(clean, safe) < 0 && !strings.ContainsAny(clean, ",.:") {
		return clean
	}
	return strings.ReplaceAll(mime.BEncoding.Encode("utf-8", forced(clean)), " ", "\r\n ")
}

// forced makes mime encode a text of ASCII too, since a long one is not broken otherwise.
func forced(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r > 0x7e }) >= 0 {
		return text
	}
	return text + "\u00a0"
}

// folded writes base64 in lines of 76.
func folded(b *strings.Builder, body []byte) {
	text := base64.StdEncoding.EncodeToString(body)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
}

// boundary is a line that no part of base64 holds.
func (m *Message) boundary(kind string) string {
	sum := sha256.Sum256([]byte(m.Key + "\x00" + kind))
	return "=_" + hex.EncodeToString(sum[:12])
}

var mediaType = regexp.MustCompile(`^[a-z]{1,40}/[a-z0-9.+-]{1,80}$`)

// plainType is a media type without parameters, and nothing else.
func plainType(t string) string {
	if mediaType.MatchString(t) {
		return t
	}
	return "application/octet-stream"
}

// fileName is a name of letters, digits, point, dash and line.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
}
