package prom

// litellm are the families of the LiteLLM proxy. It labels them by key, team and user too; here they add up by model.
// Counters are spelled with and without _total.
var litellm = table{
	"litellm_spend_metric_total":                     rate("spend_usd_per_second"),
	"litellm_input_tokens_metric_total":              rate("input_tokens_per_second"),
	"litellm_output_tokens_metric_total":             rate("output_tokens_per_second"),
	"litellm_total_tokens_metric_total":              rate("tokens_per_second"),
	"litellm_proxy_total_requests_metric_total":      rate("proxy_requests_per_second"),
	"litellm_proxy_failed_requests_metric_total":     rate("proxy_failed_requests_per_second"),
	"litellm_deployment_total_requests_total":        rate("deployment_requests_per_second"),
	"litellm_deployment_failure_responses_total":     rate("deployment_failures_per_second"),
	"litellm_deployment_cooled_down_total":           rate("deployments_cooled_down_per_second"),
	"litellm_callback_logging_failures_metric_total": rate("callback_failures_per_second"),
	"litellm_request_total_latency_metric":           summary("proxy_latency_ms"),
	"litellm_llm_api_latency_metric":                 summary("llm_api_latency_ms"),
	"litellm_llm_api_time_to_first_token_metric":     summary("llm_api_ttft_ms"),
	"litellm_overhead_latency_metric":                summary("proxy_overhead_ms"),
	"litellm_deployment_latency_per_output_token":    average("deployment_output_token_ms_avg", 1000),
	"litellm_deployment_state":                       value("deployment_state", highest), // 0 healthy, 1 in part, 2 out
	"litellm_in_flight_requests":                     value("proxy_requests_in_flight", sum),
}.also("litellm_spend_metric_total", "litellm_spend_metric").
	also("litellm_input_tokens_metric_total", "litellm_input_tokens_metric").
	also("litellm_output_tokens_metric_total", "litellm_output_tokens_metric").
	also("litellm_total_tokens_metric_total", "litellm_total_tokens_metric", "litellm_total_tokens_total", "litellm_total_tokens").
	also("litellm_proxy_total_requests_metric_total", "litellm_proxy_total_requests_metric").
	also("litellm_proxy_failed_requests_metric_total", "litellm_proxy_failed_requests_metric").
	also("litellm_deployment_total_requests_total", "litellm_deployment_total_requests").
	also("litellm_deployment_failure_responses_total", "litellm_deployment_failure_responses").
	also("litellm_deployment_cooled_down_total", "litellm_deployment_cooled_down").
	also("litellm_callback_logging_failures_metric_total", "litellm_callback_logging_failures_metric")
