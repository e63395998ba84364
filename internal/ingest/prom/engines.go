package prom

// engines are the families of the other servers of language models that tell the same things as vLLM.
var engines = table{
	"sglang:num_running_reqs":            value("requests_running", sum),
	"sglang:num_queue_reqs":              value("requests_waiting", sum),
	"sglang:token_usage":                 value("kv_cache_usage", mean),
	"sglang:prompt_tokens_total":         rate("prompt_tokens_per_second"),
	"sglang:generation_tokens_total":     rate("generation_tokens_per_second"),
	"sglang:time_to_first_token_seconds": summary("engine_ttft_ms"),
	"sglang:inter_token_latency_seconds": summary("inter_token_ms"),
	"sglang:e2e_request_latency_seconds": summary("engine_latency_ms"),

	"llamacpp:requests_processing":    value("requests_running", sum),
	"llamacpp:requests_deferred":      value("requests_waiting", sum),
	"llamacpp:kv_cache_usage_ratio":   value("kv_cache_usage", mean),
	"llamacpp:prompt_tokens_total":    rate("prompt_tokens_per_second"),
	"llamacpp:tokens_predicted_total": rate("generation_tokens_per_second"),

	"tgi_batch_current_size": value("requests_running", sum),
	"tgi_queue_size":         value("requests_waiting", sum),
}
