package e2e

import "testing"

// registered registers a schema with confluent-kafka's own serializer and produces the lines of stdin with it.
const registered = `
import json, sys
from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import SerializationContext, MessageField
servers, url, topic, kind = sys.argv[1:5]
events = [json.loads(l) for l in sys.stdin]
client = SchemaRegistryClient({"url": url})
if kind == "JSON":
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Request", "type": "object", "required": ["event_type"],
              "properties": {"event_type": {"type": "string"}, "event_id": {"type": "string"}, "timestamp": {"type": "string"}, "data": {"type": "object"}}}
    serialize = JSONSerializer(json.dumps(schema), client)
else:
    flat = []
    for e in events:  # the flat form, as a record has it
        flat.append({**{k: v for k, v in e.items() if k != "data"}, **e["data"]})
    events = flat
    types = {str: "string", int: "long", float: "double", bool: "boolean"}
    fields = {}
    for e in events:
        for k, v in e.items():
            fields[k] = "double" if isinstance(v, float) or fields.get(k) == "double" else types[type(v)]
    schema = {"type": "record", "name": "Request", "namespace": "test.e2e", "fields": [{"name": k, "type": ["null", t], "default": None} for k, t in fields.items()]}
    serialize = AvroSerializer(client, json.dumps(schema))
failed = []
p = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
for e in events:
    p.produce(topic, serialize(e, SerializationContext(topic, MessageField.VALUE)), on_delivery=lambda e, m: failed.append(str(e)) if e else None)
left = p.flush(30)
assert left == 0 and not failed, (left, failed[:3])
latest = client.get_latest_version(topic + "-value")
assert client.get_schema(latest.schema_id).schema_type == kind
assert client.get_versions(topic + "-value") == [latest.version]
try:
    client.register_schema(topic + "-value", type(latest.schema)('{"type": "record", "name": "Other", "fields": []}' if kind == "AVRO" else '{"type": "string"}', kind))
    raise SystemExit("an incompatible schema was taken")
except Exception as e:
    assert getattr(e, "http_status_code", None) == 409, e
print("produced", len(events))
`

// TestRealSchemaRegistry: the registry's own clients register, produce in the wire format, and every event is counted.
func TestRealSchemaRegistry(t *testing.T) {
	python := need(t, "HXP_REAL_REGISTRY", "confluent-kafka with its serializers")
	for _, kind := range []string{"JSON", "AVRO"} {
		t.Run(kind, func(t *testing.T) {
			h := start(t, "127.0.0.1:0")
			rs := generate(29, 100, "registry-"+kind, someHour)
			wants(t, "confluent-kafka", tool(t, string(ndjson(rs)), python, "-c", registered, h.url("kafka"), h.url("kafka-api"), "llm-requests", kind), "produced 100")
			h.counted(t, someHour, rs)
		})
	}
}
