package prom

// vllm are the families of a vLLM server, with the names that it had before. Several engines of one model add up.
var vllm = table{
	"vllm:num_requests_running":                  value("requests_running", sum),
	"vllm:num_requests_waiting":                  value("requests_waiting", sum),
	"vllm:num_requests_swapped":                  value("requests_swapped", sum), // until 0.8
	"vllm:kv_cache_usage_perc":                   value("kv_cache_usage", mean),
	"vllm:cpu_cache_usage_perc":                  value("cpu_kv_cache_usage", mean), // until 0.8
	"vllm:prompt_tokens_total":                   rate("prompt_tokens_per_second"),
	"vllm:generation_tokens_total":               rate("generation_tokens_per_second"),
	"vllm:prompt_tokens_cached_total":            rate("cached_tokens_per_second"),
	"vllm:prefix_cache_queries_total":            rate("prefix_cache_queries_per_second"), // in tokens
	"vllm:prefix_cache_hits_total":               rate("prefix_cache_hits_per_second"),
	"vllm:num_preemptions_total":                 rate("preemptions_per_second"),
	"vllm:request_success_total":                 rate("requests_finished_per_second"),
	"vllm:time_to_first_token_seconds":           summary("engine_ttft_ms"), // from arrival at the engine
	"vllm:inter_token_latency_seconds":           summary("inter_token_ms"),
	"vllm:e2e_request_latency_seconds":           summary("engine_latency_ms"),
	"vllm:request_queue_time_seconds":            summary("engine_queue_ms"),
	"vllm:request_prefill_time_seconds":          average("prefill_ms_avg", 1000),
	"vllm:request_decode_time_seconds":           average("decode_ms_avg", 1000),
	"vllm:request_prompt_tokens":                 average("prompt_tokens_avg", 1),
	"vllm:request_generation_tokens":             average("generation_tokens_avg", 1),
	"vllm:request_time_per_output_token_seconds": average("time_per_output_token_ms_avg", 1000),

	"vllm:lora_requests_info":                   nil,                                           // its value is the clock
	"vllm:avg_prompt_throughput_toks_per_s":     value("engine_prompt_tokens_per_second", sum), // until 0.8, the engine's own mean
	"vllm:avg_generation_throughput_toks_per_s": value("engine_generation_tokens_per_second", sum),
}.also("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc").
	also("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries", "vllm:prefix_cache_queries").
	also("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits", "vllm:prefix_cache_hits").
	also("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")
