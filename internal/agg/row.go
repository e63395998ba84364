package agg

import "time"

// Row is one row of the tables hourly_, daily_, weekly_ and monthly_aggregations: one period and one model, or the total of
// the period under AllModels. Its JSON names are the columns, in order. Pointers are columns that can be null: absent data is
// null, never 0.
//
// The type stands here, at the bottom, because the batch makes rows, the store keeps them and the APIs show them, and none of
// these rooms imports another.
type Row struct {
	Timestamp           time.Time `json:"timestamp" parquet:"timestamp,timestamp(microsecond)"` // start of the period, UTC, whole seconds
	Model               string    `json:"model" parquet:"model"`
	Requests            int64     `json:"requests" parquet:"requests"`
	Errors              int64     `json:"errors" parquet:"errors"`
	ErrorRate           *float64  `json:"error_rate" parquet:"error_rate"`         // errors ÷ requests whose outcome is known
	ThroughputRPS       *float64  `json:"throughput_rps" parquet:"throughput_rps"` // requests ÷ seconds of the whole period
	LatencyAvgMS        *float64  `json:"latency_avg_ms" parquet:"latency_avg_ms"`
	LatencyP50MS        *float64  `json:"latency_p50_ms" parquet:"latency_p50_ms"`
	LatencyP95MS        *float64  `json:"latency_p95_ms" parquet:"latency_p95_ms"`
	LatencyP99MS        *float64  `json:"latency_p99_ms" parquet:"latency_p99_ms"`
	TTFTP50MS           *float64  `json:"ttft_p50_ms" parquet:"ttft_p50_ms"`
	TTFTP95MS           *float64  `json:"ttft_p95_ms" parquet:"ttft_p95_ms"`
	PromptTokens        int64     `json:"prompt_tokens" parquet:"prompt_tokens"`
	CompletionTokens    int64     `json:"completion_tokens" parquet:"completion_tokens"`
	TotalTokens         int64     `json:"total_tokens" parquet:"total_tokens"`
	UniqueUsers         int64     `json:"unique_users" parquet:"unique_users"`
	FeedbackCount       int64     `json:"feedback_count" parquet:"feedback_count"`
	UserSatisfaction    *float64  `json:"user_satisfaction" parquet:"user_satisfaction"` // mean score, 1–5
	BusinessEvents      int64     `json:"business_events" parquet:"business_events"`
	BusinessValueUSD    *float64  `json:"business_value_usd" parquet:"business_value_usd"`
	CostUSD             *float64  `json:"cost_usd" parquet:"cost_usd"`
	CPUUsage            *float64  `json:"cpu_usage" parquet:"cpu_usage"` // percent, mean of the samples; in AllModels
	MemoryUsage         *float64  `json:"memory_usage" parquet:"memory_usage"`
	GPUUsage            *float64  `json:"gpu_usage" parquet:"gpu_usage"`
	CapacityUtilization *float64  `json:"capacity_utilization" parquet:"capacity_utilization"`
	Events              int64     `json:"events" parquet:"events"`
	LateEvents          int64     `json:"late_events" parquet:"late_events"`
	Completeness        *float64  `json:"completeness" parquet:"completeness"`                    // 0–1
	UpdatedAt           time.Time `json:"updated_at" parquet:"updated_at,timestamp(microsecond)"` // set by the store when another column changes
}

// AllModels is the model of the row that holds the total of a period.
const AllModels = "_all"

// Columns are the columns of the aggregation tables in their order.
var Columns = []string{
	"timestamp", "model", "requests", "errors", "error_rate", "throughput_rps", "latency_avg_ms", "latency_p50_ms",
	"latency_p95_ms", "latency_p99_ms", "ttft_p50_ms", "ttft_p95_ms", "prompt_tokens", "completion_tokens", "total_tokens",
	"unique_users", "feedback_count", "user_satisfaction", "business_events", "business_value_usd", "cost_usd", "cpu_usage",
	"memory_usage", "gpu_usage", "capacity_utilization", "events", "late_events", "completeness", "updated_at",
}
