package replay

import (
	"fmt"
	"math"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// The three files of one run of a vLLM server share one monotonic clock in seconds. They name neither model nor host.

// vllmDetail are its requests. record_time is the end of a request, so it started total_chunk_time earlier; out_len counts
// characters of prompt and answer together, so it is no token count.
var vllmDetail = format{
	name:  "vllm-scale",
	wants: "requests with first_chunk_time, total_chunk_time, record_time, or samples with GPU_total_mem, record_time, or the columns timestamp, num_running, gpu_kvcache_usage",
	match: func(p *probe) bool {
		return p.shape != asTable && p.has("record_time", "total_chunk_time", "first_chunk_time")
	},
	open: func(o opening) decode {
		model := or(o.model, "vllm")
		return func(r row, _ int64, e *event.Event) error {
			var v struct {
				End   numeral `json:"record_time"`
				Total numeral `json:"total_chunk_time"`
				First numeral `json:"first_chunk_time"`
				In    numeral `json:"in_len"`
				Out   numeral `json:"out_len"`
			}
			if err := unmarshal(r, &v); err != nil {
				return err
			}
			e.Kind = event.LLMRequest
			e.SetText(event.Model, model)
			end, err := number("record_time", string(v.End), 9, nearest)
			if err != nil {
				return err
			}
			if err := setDuration(e, event.DurationMS, "total_chunk_time", string(v.Total), 9); err != nil {
				return err
			}
			if err := setDuration(e, event.TTFT, "first_chunk_time", string(v.First), 9); err != nil {
				return err
			}
			began := end - e.Int(event.DurationMS)
			if began < 0 {
				return fmt.Errorf("record_time %s lies before the request began", v.End)
			}
			if err := setTime(e, "record_time", o.start+began/1000); err != nil {
				return err
			}
			if v.In != "" {
				if err := setCount(e, event.PromptTokens, "in_len", string(v.In)); err != nil {
					return err
				}
			}
			e.SetBool(event.Success, true)
			var x extra
			if err := x.number("out_len_characters", string(v.Out)); err != nil {
				return err
			}
			x.into(e)
			return nil
		}
	},
}

const vllmHost = "vllm" // one server; its samples share a partition by this name

// vllmGPU are samples of its GPU.
var vllmGPU = format{
	name:  "vllm-scale",
	wants: vllmDetail.wants,
	match: func(p *probe) bool {
		return p.shape != asTable && p.has("record_time", "GPU_total_mem", "GPU_utilization") && !p.has("total_chunk_time")
	},
	open: func(o opening) decode {
		return func(r row, _ int64, e *event.Event) error {
			var v struct {
				At    numeral `json:"record_time"`
				Used  numeral `json:"GPU_used_mem"`
				Total numeral `json:"GPU_total_mem"`
				Busy  numeral `json:"GPU_utilization"`
				Temp  numeral `json:"GPU_temperature"`
			}
			if err := unmarshal(r, &v); err != nil {
				return err
			}
			e.Kind = event.SystemMetric
			e.SetText(event.Host, vllmHost)
			if err := o.relative(e, "record_time", string(v.At), 6); err != nil {
				return err
			}
			if err := setSample(e, event.GPUUsage, "GPU_utilization", string(v.Busy), 1); err != nil {
				return err
			}
			used, err := sample("GPU_used_mem", string(v.Used))
			if err != nil {
				return err
			}
			total, err := sample("GPU_total_mem", string(v.Total))
			if err != nil {
				return err
			}
			if total <= 0 || used > total {
				return fmt.Errorf("GPU_used_mem %v does not fit into GPU_total_mem %v", used, total)
			}
			e.SetFloat(event.GPUMemoryUsage, used/total*100)
			return setMetric(e, "gpu_temperature_celsius", "GPU_temperature", string(v.Temp))
		}
	},
}

// vllmEngine are samples of its scheduler.
var vllmEngine = format{
	name:  "vllm-scale",
	wants: vllmDetail.wants,
	match: func(p *probe) bool {
		return p.shape == asTable && p.has("timestamp", "num_running", "gpu_kvcache_usage")
	},
	open: func(o opening) decode {
		c := o.columns("timestamp", "num_running", "num_pending", "gpu_kvcache_usage")
		own := []string{"num_swapped", "prompt_throughput", "generation_throughput"}
		names := []string{"requests_swapped", "prompt_tokens_per_second", "generation_tokens_per_second"}
		n := o.columns(own...)
		cpu := o.columns("cpu_kvcache_usage")[0]
		return func(r row, _ int64, e *event.Event) error {
			e.Kind = event.SystemMetric
			e.SetText(event.Host, vllmHost)
			if err := o.relative(e, "timestamp", at(r, c[0]), 6); err != nil {
				return err
			}
			if err := setSample(e, event.RequestsRunning, "num_running", at(r, c[1]), 1); err != nil {
				return err
			}
			if err := setSample(e, event.RequestsWaiting, "num_pending", at(r, c[2]), 1); err != nil {
				return err
			}
			if err := setSample(e, event.KVCacheUsage, "gpu_kvcache_usage", at(r, c[3]), 100); err != nil { // percent there
				return err
			}
			if s := at(r, cpu); s != "" {
				v, err := sample("cpu_kvcache_usage", s)
				if err != nil {
					return err
				}
				e.Metrics = append(e.Metrics, event.Metric{Name: "cpu_kv_cache_usage", Value: v / 100})
			}
			for i, name := range names {
				if err := setMetric(e, name, own[i], at(r, n[i])); err != nil {
					return err
				}
			}
			return nil
		}
	},
}

// sample reads a measurement: finite, not negative.
func sample(name, value string) (float64, error) {
	if _, err := parseDecimal(value); err != nil {
		return 0, fmt.Errorf("%s %q %w", name, clip(value), err)
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsInf(v, 0) || v < 0 {
		return 0, fmt.Errorf("%s %q is out of range", name, clip(value))
	}
	return v, nil
}

// setSample sets a field to value ÷ by; an empty value leaves it unset.
func setSample(e *event.Event, f event.Field, name, value string, by float64) error {
	if value == "" {
		return nil
	}
	v, err := sample(name, value)
	if err == nil {
		e.SetFloat(f, v/by)
	}
	return err
}

func setMetric(e *event.Event, as, name, value string) error {
	if value == "" {
		return nil
	}
	v, err := sample(name, value)
	if err == nil {
		e.Metrics = append(e.Metrics, event.Metric{Name: as, Value: v})
	}
	return err
}
