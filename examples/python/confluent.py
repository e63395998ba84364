#!/usr/bin/env python3
"""Send events to hxp's topics with confluent-kafka: python3 confluent.py [brokers]"""
import json, sys, uuid
from confluent_kafka import Producer

failed = 0


def delivered(error, message):
    global failed
    if error:
        failed += 1
        print("not delivered:", error, file=sys.stderr)


def main():
    producer = Producer({
        "bootstrap.servers": sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092",
        "enable.idempotence": True,         # acks=all, and no copies by retries
        "partitioner": "murmur2_random",    # the partitions of Kafka's own clients: a request and its feedback meet
        "linger.ms": 20,
        "compression.type": "lz4",
    })
    for n in range(20):
        request = f"example-{uuid.uuid4()}"
        event = {
            "event_id": str(uuid.uuid4()),  # the same id again counts once
            "event_type": "llm_request",
            "source": "python-example",
            "data": {"model": "python-confluent", "request_id": request, "duration_ms": 250 + n, "success": True,
                     "prompt_tokens": 100 + n, "completion_tokens": 10},
        }
        producer.produce("llm-requests", key=request, value=json.dumps(event), on_delivery=delivered)
        producer.poll(0)
    waiting = producer.flush(30)
    print("delivered", 20 - failed - waiting)
    return failed + waiting


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
