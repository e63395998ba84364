package sdk

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// The types of events that hxp knows.
const (
	LLMRequest    = "llm_request"
	UserFeedback  = "user_feedback"
	SystemMetric  = "system_metric"
	BusinessEvent = "business_event"
)

// Event is one event in the canonical form. Data is one of Request, Feedback, Metrics and Business, or anything that JSON
// writes as an object with the fields of the type.
type Event struct {
	ID            string         `json:"event_id"` // made by Emit when empty; the same id again counts once
	Type          string         `json:"event_type"`
	Time          time.Time      `json:"timestamp"` // now when zero
	Source        string         `json:"source,omitempty"`
	CorrelationID string         `json:"correlation_id,omitempty"`
	Data          any            `json:"data"`
	Metadata      map[string]any `json:"metadata,omitempty"`
}

// Request is the data of an llm_request. What is zero or nil is unknown and left out.
type Request struct {
	Model            string `json:"model,omitempty"`
	RequestID        string `json:"request_id,omitempty"`
	UserID           string `json:"user_id,omitempty"`
	SessionID        string `json:"session_id,omitempty"`
	Tenant           string `json:"tenant,omitempty"`
	Operation        string `json:"operation,omitempty"` // chat, completion, response, embedding, rerank
	Endpoint         string `json:"endpoint,omitempty"`  // path that was called
	ErrorType        string `json:"error_type,omitempty"`
	FinishReason     string `json:"finish_reason,omitempty"` // stop, length, tool_calls …
	UsageSource      string `json:"usage_source,omitempty"`  // reported, estimated, none
	Duration         Millis `json:"duration_ms,omitzero"`
	TTFT             Millis `json:"ttft_ms,omitzero"`            // time to the first token of a stream
	TPOT             Millis `json:"tpot_ms,omitzero"`            // time for each further token
	PromptTokens     *int64 `json:"prompt_tokens,omitempty"`     // with CachedTokens
	CompletionTokens *int64 `json:"completion_tokens,omitempty"` // with ReasoningTokens
	CachedTokens     *int64 `json:"cached_tokens,omitempty"`
	ReasoningTokens  *int64 `json:"reasoning_tokens,omitempty"`

	// Parts of the tokens that may have a price of their own; 0 = none.
	CacheCreationTokens   int64 `json:"cache_creation_tokens,omitzero"`    // of the prompt: written to a cache
	CacheCreation1hTokens int64 `json:"cache_creation_1h_tokens,omitzero"` // of these: to be kept for an hour
	PromptAudioTokens     int64 `json:"prompt_audio_tokens,omitzero"`
	PromptImageTokens     int64 `json:"prompt_image_tokens,omitzero"`
	CompletionAudioTokens int64 `json:"completion_audio_tokens,omitzero"`
	CompletionImageTokens int64 `json:"completion_image_tokens,omitzero"`

	StatusCode int      `json:"status_code,omitzero"`
	Success    *bool    `json:"success,omitempty"`
	Streaming  *bool    `json:"streaming,omitempty"`
	CostUSD    *float64 `json:"cost_usd,omitempty"`
}

// Feedback is the data of a user_feedback.
type Feedback struct {
	RequestID    string   `json:"request_id,omitempty"`
	Model        string   `json:"model,omitempty"`
	UserID       string   `json:"user_id,omitempty"`
	Satisfaction *float64 `json:"satisfaction_score,omitempty"` // 1 to 5
	Accuracy     *float64 `json:"accuracy_feedback,omitempty"`  // 0 to 1
	Thumbs       string   `json:"thumbs,omitempty"`             // up, down
	Comment      string   `json:"comment,omitempty"`
}

// Metrics is the data of a system_metric: numbers by name, and "host" as a text.
type Metrics map[string]any

// Business is the data of a business_event.
type Business struct {
	Type      string   `json:"business_event_type,omitempty"`
	RequestID string   `json:"request_id,omitempty"`
	Model     string   `json:"model,omitempty"`
	Tenant    string   `json:"tenant,omitempty"`
	ValueUSD  *float64 `json:"business_value_usd,omitempty"`
	CostUSD   *float64 `json:"cost_usd,omitempty"`
}

// Millis is a duration that JSON shows in milliseconds.
type Millis time.Duration

// MarshalJSON writes milliseconds, exact to the nanosecond.
func (m Millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(m)/1e6, 'f', -1, 64), nil
}

// UnmarshalJSON reads milliseconds.
func (m *Millis) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	*m = Millis(f * 1e6)
	return err
}

// MaxEvent is the size of the largest event in bytes.
const MaxEvent = 256 << 10

// ErrTooLarge is returned for an event over MaxEvent.
var ErrTooLarge = errors.New("the event is larger than 256 KiB: leave texts out")

// encode writes e as one line, with what its producer left out.
func (e Event) encode(source string, now time.Time) ([]byte, error) {
	if e.ID == "" {
		e.ID = randomID()
	}
	if e.Time.IsZero() {
		e.Time = now
	}
	if e.Source == "" {
		e.Source = source
	}
	e.Time = e.Time.UTC().Truncate(time.Microsecond)
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.ID, err)
	}
	if len(b) > MaxEvent {
		return nil, fmt.Errorf("event %s of %d bytes: %w", e.ID, len(b), ErrTooLarge)
	}
	return b, nil
}

func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
