package event

import "slices"

// Field is one data field of the catalogue. Text fields come first, so that a Field below firstNumeric indexes the text
// values of an Event and the others its numeric ones.
type Field uint8

// Every data field of the four kinds.
const (
	Model Field = iota
	RequestID
	UserID
	SessionID
	Tenant
	Operation
	Endpoint
	ErrorType
	FinishReason
	UsageSource
	Thumbs
	Comment
	Host
	BusinessEventType

	DurationMS
	TTFT
	TPOT
	Queue
	PromptTokens
	CompletionTokens
	CachedTokens
	ReasoningTokens
	TotalTokens
	StatusCode
	Success
	Streaming
	Cost
	SatisfactionScore
	AccuracyFeedback
	CPUUsage
	MemoryUsage
	DiskUsage
	GPUUsage
	GPUMemoryUsage
	KVCacheUsage
	RequestsRunning
	RequestsWaiting
	PowerW
	EnergyJ
	BusinessValue

	numFields
)

const (
	firstNumeric = DurationMS
	numText      = int(firstNumeric)
	numNumeric   = int(numFields) - numText
)

// Type says how the value of a field is held.
type Type uint8

const (
	Text     Type = iota
	Integer       // int64
	Duration      // int64 nanoseconds; written in milliseconds
	Money         // int64 nano-USD; written in USD
	Number        // float64, finite
	Boolean       // 0 or 1
)

// Alias is another accepted name of a field, with the factor from its unit to the field's own ("duration" in seconds is
// 1000 × "duration_ms").
type Alias struct {
	Name  string
	Scale int64 // power-of-ten factor from the alias' unit to the unit of Spec.Name; 1 when the same
}

// Spec is what the catalogue says of a field. Parser, encoder, validation, lake columns and schemas are all made from it.
type Spec struct {
	Name    string // name in JSON and in the lake (Money: JSON "cost_usd", lake "cost_nano_usd")
	Type    Type
	Kinds   []Kind // kinds that have the field
	Unit    string // of the JSON value: "ms", "tokens", "USD", "percent", "ratio", …
	Min     float64
	Max     float64 // inclusive, in JSON units; numbers only
	Enum    []string
	Aliases []Alias
	Doc     string
}

var (
	requests = []Kind{LLMRequest}
	feedback = []Kind{UserFeedback}
	system   = []Kind{SystemMetric}
	business = []Kind{BusinessEvent}
	withID   = []Kind{LLMRequest, UserFeedback, BusinessEvent}
)

const (
	maxMS     = 31 * 24 * 3600 * 1000 // a month: more is a wrong unit
	maxTokens = 1e9
	maxUSD    = 1e6
)

// Catalogue holds the Spec of each Field.
var Catalogue = [numFields]Spec{
	Model:             {Name: "model", Kinds: withID, Aliases: []Alias{{"model_name", 1}}, Doc: "model that served the request"},
	RequestID:         {Name: "request_id", Kinds: withID, Doc: "identity of the request; joins the kinds and chooses the partition"},
	UserID:            {Name: "user_id", Kinds: withID, Aliases: []Alias{{"user", 1}}, Doc: "who asked"},
	SessionID:         {Name: "session_id", Kinds: withID, Doc: "conversation or session"},
	Tenant:            {Name: "tenant", Kinds: withID, Aliases: []Alias{{"tenant_id", 1}}, Doc: "customer or team"},
	Operation:         {Name: "operation", Kinds: requests, Doc: "chat, completion, embedding …"},
	Endpoint:          {Name: "endpoint", Kinds: requests, Doc: "path or deployment that was called"},
	ErrorType:         {Name: "error_type", Kinds: requests, Doc: "class of the error of a failed request"},
	FinishReason:      {Name: "finish_reason", Kinds: requests, Doc: "stop, length, tool_calls …"},
	UsageSource:       {Name: "usage_source", Kinds: requests, Enum: []string{"reported", "estimated", "none"}, Doc: "where the token counts come from"},
	Thumbs:            {Name: "thumbs", Kinds: feedback, Enum: []string{"up", "down"}, Doc: "thumb of the user"},
	Comment:           {Name: "comment", Kinds: feedback, Doc: "free text of the user"},
	Host:              {Name: "host", Kinds: []Kind{SystemMetric, LLMRequest}, Aliases: []Alias{{"hostname", 1}, {"Hostname", 1}}, Doc: "machine that was measured"},
	BusinessEventType: {Name: "business_event_type", Kinds: business, Doc: "what happened: order, signup, ticket_solved …"},

	DurationMS:        {Name: "duration_ms", Type: Duration, Kinds: requests, Unit: "ms", Max: maxMS, Aliases: []Alias{{"duration", 1000}, {"latency_ms", 1}}, Doc: "whole request, first byte in to last byte out"},
	TTFT:              {Name: "ttft_ms", Type: Duration, Kinds: requests, Unit: "ms", Max: maxMS, Aliases: []Alias{{"ttft", 1000}}, Doc: "time to first token"},
	TPOT:              {Name: "tpot_ms", Type: Duration, Kinds: requests, Unit: "ms", Max: maxMS, Aliases: []Alias{{"tpot", 1000}}, Doc: "time per output token after the first"},
	Queue:             {Name: "queue_ms", Type: Duration, Kinds: requests, Unit: "ms", Max: maxMS, Doc: "time spent waiting in the engine's queue"},
	PromptTokens:      {Name: "prompt_tokens", Type: Integer, Kinds: requests, Unit: "tokens", Max: maxTokens, Aliases: []Alias{{"input_tokens", 1}}, Doc: "tokens of the prompt, cached ones included"},
	CompletionTokens:  {Name: "completion_tokens", Type: Integer, Kinds: requests, Unit: "tokens", Max: maxTokens, Aliases: []Alias{{"output_tokens", 1}}, Doc: "tokens of the answer, reasoning included"},
	CachedTokens:      {Name: "cached_tokens", Type: Integer, Kinds: requests, Unit: "tokens", Max: maxTokens, Doc: "part of the prompt that came from a cache"},
	ReasoningTokens:   {Name: "reasoning_tokens", Type: Integer, Kinds: requests, Unit: "tokens", Max: maxTokens, Doc: "part of the answer that was reasoning"},
	TotalTokens:       {Name: "total_tokens", Type: Integer, Kinds: requests, Unit: "tokens", Max: 2 * maxTokens, Doc: "prompt plus completion; made when absent"},
	StatusCode:        {Name: "status_code", Type: Integer, Kinds: requests, Max: 999, Doc: "HTTP status"},
	Success:           {Name: "success", Type: Boolean, Kinds: requests, Doc: "false = error, null = unknown; derived from status_code or error_type when absent"},
	Streaming:         {Name: "streaming", Type: Boolean, Kinds: requests, Aliases: []Alias{{"stream", 1}}, Doc: "answer was streamed"},
	Cost:              {Name: "cost_usd", Type: Money, Kinds: []Kind{LLMRequest, BusinessEvent}, Unit: "USD", Max: maxUSD, Aliases: []Alias{{"cost", 1}}, Doc: "cost of the request or of the business event"},
	SatisfactionScore: {Name: "satisfaction_score", Type: Number, Kinds: feedback, Unit: "score", Min: 1, Max: 5, Doc: "1 (bad) to 5 (good)"},
	AccuracyFeedback:  {Name: "accuracy_feedback", Type: Number, Kinds: feedback, Unit: "ratio", Max: 1, Doc: "0 to 1"},
	CPUUsage:          {Name: "cpu_usage", Type: Number, Kinds: system, Unit: "percent", Max: 1e6, Doc: "CPU in use"},
	MemoryUsage:       {Name: "memory_usage", Type: Number, Kinds: system, Unit: "percent", Max: 1e6, Doc: "memory in use"},
	DiskUsage:         {Name: "disk_usage", Type: Number, Kinds: system, Unit: "percent", Max: 1e6, Doc: "disk in use"},
	GPUUsage:          {Name: "gpu_usage", Type: Number, Kinds: system, Unit: "percent", Max: 1e6, Doc: "GPU in use"},
	GPUMemoryUsage:    {Name: "gpu_memory_usage", Type: Number, Kinds: system, Unit: "percent", Max: 1e6, Doc: "GPU memory in use"},
	KVCacheUsage:      {Name: "kv_cache_usage", Type: Number, Kinds: system, Unit: "ratio", Max: 1, Doc: "KV cache in use"},
	RequestsRunning:   {Name: "requests_running", Type: Number, Kinds: system, Unit: "requests", Max: 1e12, Doc: "requests in the engine's batch"},
	RequestsWaiting:   {Name: "requests_waiting", Type: Number, Kinds: system, Unit: "requests", Max: 1e12, Doc: "requests in the engine's queue"},
	PowerW:            {Name: "power_w", Type: Number, Kinds: system, Unit: "W", Max: 1e12, Doc: "electric power"},
	EnergyJ:           {Name: "energy_j", Type: Number, Kinds: system, Unit: "J", Max: 1e18, Doc: "electric energy since the counter began"},
	BusinessValue:     {Name: "business_value_usd", Type: Money, Kinds: business, Unit: "USD", Min: -maxUSD, Max: maxUSD, Aliases: []Alias{{"business_value", 1}}, Doc: "value of the business event"},
}

// inCatalogue tells whether name is one of any kind's fields.
func inCatalogue(name string) bool {
	return slices.ContainsFunc(Catalogue[:], func(s Spec) bool { return s.called(name) })
}

// called tells whether name is the field's own name or an alias.
func (s *Spec) called(name string) bool {
	return s.Name == name || slices.ContainsFunc(s.Aliases, func(a Alias) bool { return a.Name == name })
}

// of tells whether events of kind k have the field.
func (s *Spec) of(k Kind) bool { return slices.Contains(s.Kinds, k) }

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
