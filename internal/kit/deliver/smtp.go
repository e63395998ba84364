package deliver

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/cure"
)

// Server is a mail server that takes what is to be sent.
type Server struct {
	Host               string
	Port               int
	TLS                string // none, starttls or tls
	Username, Password string // none when Username is empty
	Name               string // of this machine, for EHLO
	Roots              *tls.Config
	// Guard, where it is set, is asked with the address to which Host led, before the connection; see Hooks.Guard.
	Guard func(network, address string, c syscall.RawConn) error
	// Hush, where it is set, takes out of what the server says what no error may hold: it may repeat the message.
	Hush func(text string) string
}

// Limits of a conversation.
const (
	connectLimit = 15 * time.Second
	answerLimit  = 60 * time.Second // of one command, or of 64 KiB of a message
	maxAnswer    = 64 << 10         // bytes that a server may say in all
)

// Send hands a message to the server for one recipient. nil means that the server has taken it upon itself (250 behind the last byte);
// every other end is a *Failure.
func (s *Server) Send(ctx context.Context, from, to string, message []byte) error {
	for _, a := range []string{from, to} {
		if err := CheckAddress(a); err != nil {
			return never("address %q: %v", a, err)
		}
	}
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.greet(); err != nil {
		return err
	}
	if err := c.envelope(from, to, len(message)); err != nil {
		return err
	}
	return c.data(message)
}

// Greet tells whether the server would take mail: it is reached, its TLS holds, it accepts the user, and it lets the user send under an address.
// Nothing is sent.
func (s *Server) Greet(ctx context.Context, from string) error {
	if err := CheckAddress(from); err != nil {
		return never("address %q: %v", from, err)
	}
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.greet(); err != nil {
		return err
	}
	_, err = c.command(250, "MAIL FROM:<"+from+">") // some servers say not before that they want TLS or a login; without a recipient it is no mail
	return err
}

// conversation is one connection.
type conversation struct {
	s      *Server
	ctx    context.Context
	conn   net.Conn
	raw    *textproto.Conn
	heard  *io.LimitedReader
	stop   func() bool // ends the watch of the context
	offers map[string]string
	secure bool
	// judging: what the server refuses with 5xx is the message itself. Before, it is the way to the server, which a person can mend.
	judging bool
}

func (s *Server) dial(ctx context.Context) (*conversation, error) {
	address := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	d := net.Dialer{Timeout: connectLimit, Control: s.Guard}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, later("%w", err)
	}
	c := &conversation{s: s, ctx: ctx}
	c.use(conn)
	if s.TLS == "tls" {
		if err := c.encrypt(); err != nil {
			c.close()
			return nil, err
		}
	}
	c.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	return c, nil
}

// use puts the conversation on a connection. What a server says is bounded.
func (c *conversation) use(conn net.Conn) {
	c.conn = conn
	c.heard = &io.LimitedReader{R: conn, N: maxAnswer}
	c.raw = textproto.NewConn(struct {
		io.Reader
		io.Writer
		io.Closer
	}{c.heard, conn, conn})
}

func (c *conversation) encrypt() error {
	cfg := &tls.Config{}
	if c.s.Roots != nil {
		cfg = c.s.Roots.Clone()
	}
	cfg.ServerName, cfg.MinVersion = c.s.Host, tls.VersionTLS12
	t := tls.Client(c.conn, cfg)
	ctx, cancel := context.WithTimeout(c.ctx, connectLimit)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return later("TLS with %s: %w", c.s.Host, err)
	}
	c.use(t)
	c.secure = true
	return nil
}

// close says goodbye without waiting long for it.
func (c *conversation) close() {
	if c.stop != nil && c.stop() { // the context lives
		_ = c.conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(c.conn, "QUIT\r\n")
	}
	_ = c.conn.Close()
}

// greet makes the server known: its greeting, what it offers, TLS, and who we are.
func (c *conversation) greet() error {
	if _, err := c.answer("greeting", 220); err != nil {
		return err
	}
	if err := c.hello(); err != nil {
		return err
	}
	if c.s.TLS == "starttls" {
		if _, ok := c.offers["STARTTLS"]; !ok {
			return later("%w", cure.With(fmt.Errorf("%s offers no STARTTLS", c.s.Host), "set smtp_tls to tls, or to none where nothing secret is sent"))
		}
		if _, err := c.command(220, "STARTTLS"); err != nil {
			return err
		}
		if c.raw.R.Buffered() > 0 { // said before the encryption: by whom, nobody knows
			return later("%s spoke between STARTTLS and TLS", c.s.Host)
		}
		if err := c.encrypt(); err != nil {
			return err
		}
		if err := c.hello(); err != nil {
			return err
		}
	}
	if c.s.Username == "" {
		return nil
	}
	return c.login()
}

func (c *conversation) hello() error {
	name := c.s.Name
	if CheckAddress("x@"+name) != nil {
		name = "localhost"
	}
	text, err := c.command(250, "EHLO "+name)
	if err != nil {
		if _, err = c.command(250, "HELO "+name); err != nil {
			return err
		}
		text = ""
	}
	c.offers = map[string]string{}
	lines := strings.Split(text, "\n")
	for _, l := range lines[1:] {
		word, args, _ := strings.Cut(l, " ")
		c.offers[strings.ToUpper(word)] = args
	}
	return nil
}

// login gives name and password, over TLS or to this machine alone.
func (c *conversation) login() error {
	if !c.secure && !loopback(c.conn.RemoteAddr()) {
		return never("%w", cure.With(errors.New("a password is not sent without TLS"), "set smtp_tls to starttls or tls"))
	}
	ways := strings.Fields(strings.ToUpper(c.offers["AUTH"]))
	b64 := base64.StdEncoding.EncodeToString
	switch {
	case slices.Contains(ways, "PLAIN"):
		_, err := c.command(235, "AUTH PLAIN "+b64([]byte("\x00"+c.s.Username+"\x00"+c.s.Password)))
		return refusedLogin(err)
	case slices.Contains(ways, "LOGIN"):
		if _, err := c.command(334, "AUTH LOGIN"); err != nil {
			return refusedLogin(err)
		}
		if _, err := c.command(334, b64([]byte(c.s.Username))); err != nil {
			return refusedLogin(err)
		}
		_, err := c.command(235, b64([]byte(c.s.Password)))
		return refusedLogin(err)
	}
	if _, ok := c.offers["STARTTLS"]; ok && !c.secure && len(ways) == 0 {
		return later("%w", cure.With(fmt.Errorf("%s takes a login over TLS alone", c.s.Host), "set smtp_tls to starttls"))
	}
	return later("%s offers AUTH %q; PLAIN and LOGIN are known", c.s.Host, c.offers["AUTH"])
}

// refusedLogin: a password can be mended while mail waits, so that it is tried again.
func refusedLogin(err error) error {
	if err == nil {
		return nil
	}
	return later("login: %w", err)
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

func (c *conversation) envelope(from, to string, size int) error {
	c.judging = true
	mail := "MAIL FROM:<" + from + ">"
	if most, ok := c.offers["SIZE"]; ok {
		if n, err := strconv.ParseInt(most, 10, 64); err == nil && n > 0 && n < int64(size) {
			return never("the message has %d bytes; %s takes %d", size, c.s.Host, n)
		}
		mail += " SIZE=" + strconv.Itoa(size)
	}
	if _, err := c.command(250, mail); err != nil {
		return err
	}
	_, err := c.command(25, "RCPT TO:<"+to+">")
	return err
}

// data sends the message. Once its end is on the way nobody knows whether it arrived until the server says so.
func (c *conversation) data(message []byte) error {
	if _, err := c.command(354, "DATA"); err != nil {
		return err
	}
	for rest := stuffed(message); len(rest) > 0; {
		n := min(len(rest), 64<<10)
		c.limit()
		if _, err := c.conn.Write(rest[:n]); err != nil {
			return later("the line was cut within the message: %w", err)
		}
		rest = rest[n:]
	}
	c.limit()
	if _, err := io.WriteString(c.conn, ".\r\n"); err != nil {
		return &Failure{Err: fmt.Errorf("end of the message: %w", err), Uncertain: true}
	}
	_, err := c.answer("end of the message", 250)
	if f, ok := errors.AsType[*Failure](err); ok && !said(f.Err) {
		f.Uncertain = true
	}
	return err
}

// said tells whether an error is an answer of the server.
func said(err error) bool {
	_, ok := errors.AsType[*textproto.Error](err)
	return ok
}

// stuffed doubles a point at the beginning of a line and ends the last line.
func stuffed(message []byte) []byte {
	out := bytes.ReplaceAll(message, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(out, []byte(".")) {
		out = append([]byte("."), out...)
	}
	if !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, "\r\n"...)
	}
	return out
}

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// limit bounds the next step. The end of the context sets a deadline too, and is not to be undone.
func (c *conversation) limit() {
	_ = c.conn.SetDeadline(time.Now().Add(answerLimit))
	if c.ctx.Err() != nil {
		_ = c.conn.SetDeadline(past)
	}
}

// command says a line and reads the answer. Lines hold checked addresses, base64 and our own words.
func (c *conversation) command(want int, line string) (string, error) {
	verb, _, _ := strings.Cut(line, " ")
	if want == 334 || want == 235 {
		verb = "AUTH" // the rest is secret
	}
	c.limit()
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		return "", later("%s: %w", verb, err)
	}
	return c.answer(verb, want)
}

// answer reads what the server says: 4xx is for later, 5xx for good.
func (c *conversation) answer(to string, want int) (string, error) {
	c.limit()
	code, text, err := c.raw.ReadResponse(want)
	if err == nil {
		return text, nil
	}
	if c.heard.N <= 0 {
		err = errors.New("the server says too much")
	}
	if said(err) && code >= 500 && c.judging {
		return "", never("%s: %w", to, c.clipped(err))
	}
	return "", later("%s: %w", to, c.clipped(err))
}

// clipped shortens what a server said, and takes its controls out: it goes into logs and answers.
func (c *conversation) clipped(err error) error {
	e, ok := errors.AsType[*textproto.Error](err)
	if !ok {
		return err
	}
	said := e.Msg
	if c.s.Hush != nil {
		said = c.s.Hush(said)
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(said, "?"))
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return &textproto.Error{Code: e.Code, Msg: text}
}
