"""Sends spans and a gauge with the OpenTelemetry SDK: otel_sdk.py http|grpc ENDPOINT MODEL COUNT START_NANOS"""
import sys

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

way, endpoint, model, count, start = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
if way == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from grpc import Compression
    options = {"insecure": True, "compression": Compression.Gzip}
    traces, metrics = OTLPSpanExporter(endpoint=endpoint, **options), OTLPMetricExporter(endpoint=endpoint, **options)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    traces = OTLPSpanExporter(endpoint=endpoint + "/v1/traces", compression=Compression.Gzip)
    metrics = OTLPMetricExporter(endpoint=endpoint + "/v1/metrics", compression=Compression.Gzip)

resource = Resource.create({"service.name": "otel-sdk", "host.name": "otel-" + way})
provider = TracerProvider(resource=resource)
provider.add_span_processor(BatchSpanProcessor(traces))
tracer = provider.get_tracer("hxp-test")
for i in range(count):
    t = start + i * 1_000_000
    span = tracer.start_span("chat " + model, start_time=t, attributes={
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model, "gen_ai.response.model": model,
        "gen_ai.usage.input_tokens": 100 + i, "gen_ai.usage.output_tokens": 10, "gen_ai.response.finish_reasons": ["stop"]})
    if i % 10 == 0:
        span.set_attribute("error.type", "RateLimitError")
    span.end(end_time=t + 250_000_000)
tracer.start_span("GET /", start_time=start).end(end_time=start + 1)     # no LLM call: told as a partial success
provider.shutdown()

meters = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(metrics)])
meters.get_meter("hxp-test").create_gauge("hw.gpu.utilization", unit="1").set(0.5, {"hw.id": "0"})
meters.shutdown()
