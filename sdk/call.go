package sdk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The operations that are watched.
const (
	opChat       = "chat"
	opCompletion = "completion"
	opResponse   = "response"
	opEmbedding  = "embedding"
	opRerank     = "rerank"
	opMessage    = "message" // Anthropic's chat
)

// operationOf tells which operation a request is, "" for any other. What stands before the end of the path does not matter:
// gateways put names of deployments and versions there.
func operationOf(r *http.Request) string {
	if r.Method != http.MethodPost {
		return ""
	}
	for _, o := range [...]struct{ end, op string }{
		{"/chat/completions", opChat}, {"/completions", opCompletion}, {"/responses", opResponse}, {"/embeddings", opEmbedding},
		{"/rerank", opRerank}, {"/v1/messages", opMessage},
	} {
		if strings.HasSuffix(r.URL.Path, o.end) {
			return o.op
		}
	}
	return ""
}

// call watches one call. It is told what passes, and when; it reads no clock.
type call struct {
	began     time.Time
	op        string
	endpoint  string
	requestID string
	tenant    string
	session   string
	userID    string // from the header; what the body says wins

	asking  sync.Mutex // the body of a request may still be read when the answer is over
	request *scanner
	asked   asked

	status   int
	form     form
	encoding string
	copied   []byte // of a compressed answer
	decoders map[string]Decoder
	answer   *scanner
	lines    *lines
	told     told

	now                    time.Time // of the piece that is being read
	firstByte, first, last time.Time // the first byte, the first and the last piece with content
	chunks, since          int64     // lines with content; those after the last report of tokens
	fault                  string    // why the call failed, in the words of who knows
	left, cut              bool      // the client went away; the answer ended before its end
	whole                  bool      // the answer came to its end
}

// form is how an answer is read.
type form uint8

const (
	opaque form = iota
	jsonForm
	eventStream
)

func newCall(now time.Time, op string, r *http.Request) *call {
	h := r.Header
	c := &call{
		began: now, op: op, endpoint: clip(r.URL.Path, maxText), requestID: clip(h.Get(headerRequestID), maxID),
		tenant: clip(h.Get("X-Tenant-Id"), maxText), session: clip(h.Get("X-Session-Id"), maxID), userID: clip(h.Get("X-User-Id"), maxID),
		told: newTold(),
	}
	if isJSON(h) && h.Get("Content-Encoding") == "" {
		c.request = newScanner(&c.asked)
	}
	return c
}

const headerRequestID = "X-Request-Id"

func isJSON(h http.Header) bool {
	t := strings.ToLower(h.Get("Content-Type"))
	return t == "" || strings.Contains(t, "json")
}

// asks is told the body of the request as it passes.
func (c *call) asks(b []byte) {
	if c.request == nil {
		return
	}
	c.asking.Lock()
	c.request.feed(b)
	c.asking.Unlock()
}

// answers is told the head of the answer.
func (c *call) answers(status int, h http.Header) {
	c.status = status
	switch t := strings.ToLower(h.Get("Content-Type")); {
	case strings.HasPrefix(t, "text/event-stream"):
		c.form = eventStream
		c.lines = &lines{to: c}
	case isJSON(h):
		c.form = jsonForm
	default:
		return
	}
	c.answer = newScanner(&c.told)
	if c.encoding = strings.ToLower(h.Get("Content-Encoding")); c.encoding == "identity" {
		c.encoding = ""
	}
}

// says is told the body of the answer as it passes.
func (c *call) says(now time.Time, b []byte) {
	if len(b) == 0 {
		return
	}
	if c.firstByte.IsZero() {
		c.firstByte = now
	}
	c.now = now
	if c.encoding != "" {
		c.copy(b)
		return
	}
	c.read(b)
}

func (c *call) read(b []byte) {
	switch c.form {
	case jsonForm:
		c.answer.feed(b)
	case eventStream:
		c.lines.feed(b)
	}
}

// line reads the data of one event of a stream. Most of them carry a piece of content, which is counted and not read.
func (c *call) line(data []byte) {
	usage := says(data, wordUsage, false)
	if usage || !c.content(data) || c.told.model == "" || saysAny(data, ends) {
		c.learn(data)
	}
	if usage && c.told.usage {
		c.since = 0 // what came so far is in the report
	}
}

// content counts a line with content.
func (c *call) content(data []byte) bool {
	if !saysAny(data, contents[c.op]) || c.op == opResponse && !bytes.Contains(data, []byte(`.delta"`)) {
		return false
	}
	if c.chunks == 0 {
		c.first = c.now
	}
	c.last = c.now
	c.chunks++
	c.since++
	return true
}

// learn reads a line as JSON.
func (c *call) learn(data []byte) {
	if string(data) == "[DONE]" {
		c.told.done = true
		return
	}
	c.answer.reset()
	c.answer.feed(data)
}

// piece reads a part of a line that is too long to be kept: the whole answer repeated at the end of a stream, as a rule.
func (c *call) piece(data []byte, first bool) {
	if first {
		c.content(data)
		c.answer.reset()
	}
	before := c.told.completion
	c.answer.feed(data)
	if c.told.completion != before {
		c.since = 0
	}
}

// end closes the books at the end of the call.
func (c *call) end(now time.Time) Request {
	if c.encoding != "" {
		c.decode()
	}
	if c.lines != nil && c.whole {
		c.lines.end() // the last line may lack its end
	}
	c.asking.Lock()
	asked := c.asked
	c.asking.Unlock()
	c.told.settle()
	r := Request{
		RequestID: c.requestID, Tenant: c.tenant, SessionID: c.session, UserID: or(asked.user, c.userID), Model: or(c.told.model, asked.model),
		Operation: c.op, Endpoint: c.endpoint, FinishReason: c.told.finish, Duration: Millis(now.Sub(c.began)), StatusCode: c.status,
	}
	if c.op == opMessage {
		r.Operation = opChat
	}
	streaming := c.form == eventStream || asked.stream
	r.Streaming = &streaming
	c.tokens(&r)
	c.times(&r)
	c.outcome(&r)
	return r
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// tokens says how many and how that is known. An estimate takes each line with content for one token, beside what was
// reported before; the prompt is never guessed.
func (c *call) tokens(r *Request) {
	known := func(v int64) *int64 {
		if v < 0 || v > maxTokens {
			return nil
		}
		return &v
	}
	t := &c.told
	r.PromptTokens, r.CompletionTokens, r.CachedTokens, r.ReasoningTokens = known(t.prompt), known(t.completion), known(t.cached), known(t.reasoning)
	for _, part := range []struct {
		to *int64
		n  int64
	}{{&r.CacheCreationTokens, t.cacheWrite}, {&r.CacheCreation1hTokens, t.written1h}, {&r.PromptAudioTokens, t.audioIn}, {&r.PromptImageTokens, t.imageIn}, {&r.CompletionAudioTokens, t.audioOut}, {&r.CompletionImageTokens, t.imageOut}} {
		if n := known(part.n); n != nil {
			*part.to = *n
		}
	}
	switch {
	case c.since > 0:
		r.UsageSource = "estimated"
		if t.completion >= 0 && c.op != opMessage { // Anthropic's first report foretells some of the completion
			r.CompletionTokens = known(t.completion + c.since)
		} else {
			r.CompletionTokens = known(c.since)
		}
	case t.usage:
		r.UsageSource = "reported"
	default:
		r.UsageSource = "none"
	}
}

// times are those of a stream: to the first token, and for each further one.
func (c *call) times(r *Request) {
	if c.form != eventStream {
		return
	}
	if c.first.IsZero() || c.encoding != "" { // compressed: what is inside was seen at the end alone
		c.first = c.firstByte
	}
	if c.first.IsZero() {
		return
	}
	r.TTFT = Millis(c.first.Sub(c.began))
	tokens := c.chunks
	if r.CompletionTokens != nil {
		tokens = max(tokens, *r.CompletionTokens)
	}
	if tokens > 1 && c.last.After(c.first) {
		r.TPOT = Millis(c.last.Sub(c.first)) / Millis(tokens-1)
	}
}

// outcome judges the call. A client that went away leaves it open: nobody failed, and nobody knows how it would have ended.
func (c *call) outcome(r *Request) {
	if c.left && !c.ended() {
		r.StatusCode, r.FinishReason = 0, "abort"
		return
	}
	switch {
	case c.fault != "":
		r.ErrorType = c.fault
	case c.told.errorType != "":
		r.ErrorType = c.told.errorType
	case c.status >= http.StatusBadRequest:
		r.ErrorType = "http_" + strconv.Itoa(c.status)
	case !c.ended() && (c.cut || c.form == eventStream):
		r.ErrorType = "stream_aborted"
	}
	success := r.ErrorType == "" && c.status < http.StatusBadRequest
	r.Success = &success
}

// ended tells whether the answer came to its end: streams and JSON say so themselves.
func (c *call) ended() bool {
	switch c.form {
	case eventStream:
		return c.told.done || c.told.finish != ""
	case jsonForm:
		return c.answer.closed
	}
	return c.whole
}

// event names the call. The id follows from the request and its beginning: a client that repeats a request id makes two
// calls, a delivery that is repeated makes one event.
func (c *call) event(r Request) Event {
	sum := sha256.Sum256([]byte(c.requestID + "\x00" + strconv.FormatInt(c.began.UnixNano(), 10)))
	return Event{ID: hex.EncodeToString(sum[:16]), Type: LLMRequest, Time: c.began, Data: r}
}
