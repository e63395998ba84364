package deliver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"
)

// mailbox is a server for one connection after the other. The script answers commands by their verb; "cut" hangs up.
type mailbox struct {
	port    int
	answers map[string]string // verb, or "." for the end of the message
	heard   chan []string
	mails   chan []byte
	cert    *tls.Config
}

// open listens. What is not in the script is answered as a friendly server would.
func open(t *testing.T, implicit bool, script map[string]string) *mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &mailbox{port: l.Addr().(*net.TCPAddr).Port, answers: map[string]string{"": "220 hello", "EHLO": "250-box\r\n250-SIZE 100000\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN", "AUTH": "235 welcome", "MAIL": "250 ok", "RCPT": "250 ok",
		"DATA": "354 go on", ".": "250 taken", "QUIT": "221 bye", "STARTTLS": "220 go on"}, heard: make(chan []string, 10), mails: make(chan []byte, 10), cert: certificate(t)}
	for k, v := range script {
		b.answers[k] = v
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if implicit {
				conn = tls.Server(conn, b.cert)
			}
			b.talk(conn)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return b
}

func (b *mailbox) talk(conn net.Conn) {
	defer func() { conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	var heard []string
	defer func() { b.heard <- heard }()
	say := func(verb string) bool {
		text := b.answers[verb]
		if text == "cut" {
			return false
		}
		_, err := io.WriteString(conn, text+"\r\n")
		return err == nil
	}
	if !say("") {
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		heard = append(heard, line)
		verb, _, _ := strings.Cut(line, " ")
		if !say(verb) || verb == "QUIT" {
			return
		}
		switch {
		case verb == "STARTTLS" && strings.HasPrefix(b.answers[verb], "220"):
			secure := tls.Server(conn, b.cert)
			conn, r = secure, bufio.NewReader(secure)
		case verb == "DATA" && strings.HasPrefix(b.answers[verb], "354"):
			var body bytes.Buffer
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				body.WriteString(strings.TrimPrefix(line, "."))
				if b.answers["body"] == "cut" {
					return
				}
			}
			if b.answers["."] != "cut" {
				b.mails <- body.Bytes()
			}
			if !say(".") {
				return
			}
		}
	}
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// trusts makes a client trust the box.
func (b *mailbox) trusts() *tls.Config {
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(b.cert.Certificates[0].Certificate[0])
	if err != nil {
		panic(err)
	}
	pool.AddCert(cert)
	return &tls.Config{RootCAs: pool}
}

func (b *mailbox) server(tls string) *Server {
	return &Server{Host: "127.0.0.1", Port: b.port, TLS: tls, Name: "here.example.org", Roots: b.trusts()}
}

func aMessage() *Message {
	return &Message{From: "hxp@example.org", To: "a@example.org", Name: "hxp reports", Subject: "Daily summary, 2 June 2025", Date: time.Date(2025, 6, 3, 0, 1, 2, 0, time.UTC), Key: "k", Text: "see\n.\n..x\n", HTML: "<p>see</p>",
		Attachments: []Attachment{{"daily.pdf", "application/pdf", bytes.Repeat([]byte("%PDF\n.\n"), 500)}}}
}

// What arrives is what was sent, over each kind of connection and login.
func TestSend(t *testing.T) {
	message, err := aMessage().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		tls, user string
		script    map[string]string
		want      string // a command
	}{
		"plain":            {"none", "", nil, "MAIL FROM:<hxp@example.org> SIZE="},
		"starttls":         {"starttls", "", nil, "STARTTLS"},
		"tls and a login":  {"tls", "u", nil, "AUTH PLAIN AHUAcA=="},
		"an old server":    {"none", "", map[string]string{"EHLO": "502 what?", "HELO": "250 old"}, "HELO here.example.org"},
		"login on loop":    {"none", "u", nil, "AUTH PLAIN AHUAcA=="},
		"a point in front": {"none", "", nil, "RCPT TO:<a@example.org>"},
	} {
		b := open(t, tc.tls == "tls", tc.script)
		s := b.server(tc.tls)
		s.Username, s.Password = tc.user, "p"
		body := message
		if name == "a point in front" {
			body = append([]byte(".a\r\n.\r\n..\r\n"), message...)
		}
		if err := s.Send(t.Context(), "hxp@example.org", "a@example.org", body); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := <-b.mails; !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes arrived, %d were sent", name, len(got), len(body))
		}
		if heard := strings.Join(<-b.heard, "\n"); !strings.Contains(heard, tc.want) {
			t.Errorf("%s: no %q in\n%s", name, tc.want, heard)
		}
	}
}

// AUTH LOGIN asks for name and password in turn.
func TestLogin(t *testing.T) {
	client, far := net.Pipe()
	defer client.Close()
	c := &conversation{s: &Server{Username: "u", Password: "p"}, ctx: t.Context(), secure: true, offers: map[string]string{"AUTH": "LOGIN"}}
	c.use(client)
	heard := make(chan []string, 1)
	go func() {
		defer far.Close()
		var lines []string
		r := bufio.NewReader(far)
		for _, answer := range []string{"334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 welcome"} {
			l, _ := r.ReadString('\n')
			lines = append(lines, strings.TrimSpace(l))
			_, _ = io.WriteString(far, answer+"\r\n")
		}
		heard <- lines
	}()
	if err := c.login(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(<-heard, " "); got != "AUTH LOGIN dQ== cA==" {
		t.Errorf("said %q", got)
	}
}

// Each way of failing is told apart: for later, for good, and perhaps arrived.
func TestFailures(t *testing.T) {
	message, err := aMessage().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		script           map[string]string
		final, uncertain bool
		want             string
	}{
		"greylisted":           {map[string]string{"RCPT": "451 4.7.1 greylisted"}, false, false, "greylisted"},
		"no such person":       {map[string]string{"RCPT": "550 5.1.1 unknown"}, true, false, "unknown"},
		"busy":                 {map[string]string{"": "421 busy"}, false, false, "busy"},
		"not for us":           {map[string]string{"": "554 go away"}, false, false, "go away"},
		"refused sender":       {map[string]string{"MAIL": "553 not you"}, true, false, "not you"},
		"later behind data":    {map[string]string{".": "451 4.3.0 again"}, false, false, "again"},
		"spam":                 {map[string]string{".": "554 5.7.1 spam"}, true, false, "spam"},
		"cut at the greeting":  {map[string]string{"": "cut"}, false, false, "EOF"},
		"cut at MAIL":          {map[string]string{"MAIL": "cut"}, false, false, "MAIL"},
		"cut at DATA":          {map[string]string{"DATA": "cut"}, false, false, "DATA"},
		"cut behind the end":   {map[string]string{".": "cut"}, false, true, "may have arrived"},
		"too large":            {map[string]string{"EHLO": "250-box\r\n250 SIZE 100"}, true, false, "takes 100"},
		"nonsense":             {map[string]string{"MAIL": "what"}, false, false, "MAIL"},
		"endless":              {map[string]string{"": "220 " + strings.Repeat("x", 100<<10)}, false, false, "too much"},
		"controls in the text": {map[string]string{"RCPT": "550 a\x1b[31mb"}, true, false, "a [31mb"},
	} {
		b := open(t, false, tc.script)
		err := b.server("none").Send(t.Context(), "hxp@example.org", "a@example.org", message)
		if err == nil || Final(err) != tc.final || Uncertain(err) != tc.uncertain || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v (final %v, uncertain %v)", name, err, Final(err), Uncertain(err))
		}
	}
	b := open(t, false, map[string]string{"body": "cut"}) // within the message: whether the rest was written before is by chance
	if err := b.server("none").Send(t.Context(), "hxp@example.org", "a@example.org", message); err == nil || Final(err) {
		t.Errorf("cut within the message: %v", err)
	}
}

// No password and no mail goes where TLS was asked for and is not.
func TestTLSIsInsistedOn(t *testing.T) {
	message := []byte("x\r\n")
	without := open(t, false, map[string]string{"EHLO": "250 box"})
	if err := without.server("starttls").Send(t.Context(), "hxp@example.org", "a@example.org", message); err == nil || !strings.Contains(err.Error(), "offers no STARTTLS") {
		t.Errorf("a server without it: %v", err)
	}
	if heard := <-without.heard; len(heard) > 2 || !strings.HasPrefix(heard[0], "EHLO") {
		t.Errorf("said to it: %q", heard)
	}
	for _, way := range []string{"starttls", "tls"} {
		s := open(t, way == "tls", nil).server(way)
		s.Roots = nil
		if err := s.Send(t.Context(), "hxp@example.org", "a@example.org", message); err == nil || Final(err) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: a certificate of nobody: %v", way, err)
		}
	}
	c := &conversation{s: &Server{Username: "u"}, ctx: t.Context(), conn: stranger{}}
	if err := c.login(); err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("a password in the open: %v", err)
	}
}

// stranger is a connection to somewhere else.
type stranger struct{ net.Conn }

func (stranger) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25}
}

// A try ends with its context, also while the server says nothing.
func TestSendEndsWithItsContext(t *testing.T) {
	b := open(t, false, map[string]string{"MAIL": "250-wait"})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.server("none").Send(ctx, "hxp@example.org", "a@example.org", []byte("x\r\n")) }()
	stop()
	if err := <-done; err == nil || Final(err) {
		t.Errorf("%v", err)
	}
}

// The message is read by net/mail as it was meant, is ASCII with short lines, and the same each time.
func TestMessage(t *testing.T) {
	m := aMessage()
	m.Subject = "Bericht „Kosten“ für März 通义千问 " + strings.Repeat("und weiter ", 9)
	raw, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := m.Bytes(); !bytes.Equal(raw, again) {
		t.Error("other bytes from the same message")
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > 200 || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("line %q", line)
		}
	}
	read, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if err != nil || subject != strings.TrimSpace(m.Subject) {
		t.Errorf("subject %q, %v", subject, err)
	}
	if id := read.Header.Get("Message-ID"); id != m.ID() || !strings.HasSuffix(id, "@example.org>") {
		t.Errorf("Message-ID %s", id)
	}
	if from, err := read.Header.AddressList("From"); err != nil || from[0].Address != m.From || from[0].Name != m.Name {
		t.Errorf("from %v, %v", from, err)
	}
	kinds, bodies := parts(t, read.Header.Get("Content-Type"), read.Body)
	if got := strings.Join(kinds, " "); got != "text/plain text/html application/pdf" {
		t.Errorf("parts %s", got)
	}
	if string(bodies[0]) != m.Text || string(bodies[1]) != m.HTML || !bytes.Equal(bodies[2], m.Attachments[0].Body) {
		t.Error("the parts are not what was put in")
	}
}

// parts reads multiparts to their ends.
func parts(t *testing.T, kind string, body io.Reader) (kinds []string, bodies [][]byte) {
	t.Helper()
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(media, "multipart/") {
		raw, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, body))
		if err != nil {
			t.Fatal(err)
		}
		return []string{media}, [][]byte{raw}
	}
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return kinds, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		k, b := parts(t, p.Header.Get("Content-Type"), p)
		kinds, bodies = append(kinds, k...), append(bodies, b...)
	}
}

func TestAddresses(t *testing.T) {
	for a, ok := range map[string]bool{"a@example.org": true, "a.b+c@mail.example.org": true, "a@localhost": true, "": false, "a": false, "@example.org": false, "a@": false, "a@b@c": false, "A <a@example.org>": false,
		"a@example.org\r\nRCPT TO:<b@example.org>": false, "a@exämple.org": false, `"a b"@example.org`: false, "a@example.org,b@example.org": false, "a@[127.0.0.1]": false, strings.Repeat("a", 65) + "@example.org": false, "a@" + strings.Repeat("b", 260): false} {
		if err := CheckAddress(a); (err == nil) != ok {
			t.Errorf("%q: %v", a, err)
		}
	}
}

// Whatever a title, a name or an address holds, it adds no header, no part and no command.
func FuzzMessage(f *testing.F) {
	f.Add("subject", "name", "a@example.org", "file.pdf", "text")
	f.Add("a\r\nBcc: b@example.org", "n\nX: y", "a@example.org>\r\nDATA", "a\"\r\nb", "\r\n.\r\nQUIT")
	f.Fuzz(func(t *testing.T, subject, name, to, file, text string) {
		m := &Message{From: "hxp@example.org", To: to, Name: name, Subject: subject, Date: time.Unix(0, 0), Key: subject, Text: "t" + text, HTML: "h" + text, Attachments: []Attachment{{file, file, []byte(text)}}}
		raw, err := m.Bytes()
		if err != nil {
			if CheckAddress(to) == nil {
				t.Fatalf("%q: %v", to, err)
			}
			return
		}
		read, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%v:\n%s", err, raw)
		}
		if len(read.Header) != 8 {
			t.Fatalf("%d headers: %v", len(read.Header), read.Header)
		}
		kinds, bodies := parts(t, read.Header.Get("Content-Type"), read.Body)
		if len(kinds) != 3 || string(bodies[0]) != "t"+text || string(bodies[2]) != text {
			t.Fatalf("parts %v of\n%s", kinds, raw)
		}
	})
}

// Greet goes as far as a message without a recipient, and sends nothing.
func TestGreet(t *testing.T) {
	const from = "hxp@example.org"
	b := open(t, false, nil)
	if err := b.server("starttls").Greet(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	for _, line := range <-b.heard {
		if verb, _, _ := strings.Cut(line, " "); verb == "RCPT" || verb == "DATA" {
			t.Errorf("it said %q", line)
		}
	}
	b = open(t, false, map[string]string{"AUTH": "535 wrong password"})
	s := b.server("starttls")
	s.Username, s.Password = "hxp", "wrong"
	if err := s.Greet(t.Context(), from); err == nil || !strings.Contains(err.Error(), "535") {
		t.Errorf("a refused login: %v", err)
	}
	b = open(t, false, map[string]string{"MAIL": "530 5.7.0 must issue a STARTTLS command first"})
	if err := b.server("none").Greet(t.Context(), from); err == nil || !strings.Contains(err.Error(), "530") {
		t.Errorf("no mail without TLS: %v", err)
	}
	b = open(t, false, map[string]string{"EHLO": "250-box\r\n250 STARTTLS"})
	s = b.server("none")
	s.Username, s.Password = "hxp", "right"
	if err := s.Greet(t.Context(), from); err == nil || !strings.Contains(err.Error(), "set smtp_tls to starttls") {
		t.Errorf("no login without TLS: %v", err)
	}
	b = open(t, false, map[string]string{"EHLO": "250 box"})
	if err := b.server("starttls").Greet(t.Context(), from); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("no STARTTLS: %v", err)
	}
}
