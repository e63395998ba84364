#!/usr/bin/env python3
"""The package hxp at work: python3 package.py [URL of kafka-api [of event-processing-api [of batch-processing-api]]]"""
import sys
import time

import hxp

if __name__ == "__main__":
    ways = sys.argv[1:4] + ["http://127.0.0.1:9099", "http://127.0.0.1:9100", "http://127.0.0.1:9101"][len(sys.argv[1:4]):]
    began = time.time()
    requests = [hxp.event("llm_request", {"model": "python-package", "request_id": f"{began}-{i}", "duration_ms": 100 + i, "prompt_tokens": 10, "success": True}, "package.py", began) for i in range(20)]
    out = hxp.Producer(ways[0], source="package.py", batch=7)
    first, again = out.send(requests), out.send(requests)  # sending twice adds nothing
    bad = out.send([{"event_type": "llm_request", "data": {"model": "python-package", "duration_ms": "soon"}}])
    print("accepted", first.accepted, "again", again.duplicates, "refused", bad.rejected, bad.errors[0]["code"])

    reader = hxp.Reader(ways[1], ways[2])
    counted = 0
    while counted < 20 and time.time() < began + 30:  # within milliseconds, most of the time
        counted = reader.analytics(window=300, model="python-package")["overall"]["requests"]
        time.sleep(0.05)
    print("requests", counted)
    print("hours", sum(1 for _ in reader.aggregations("hourly")))
    sys.exit(0 if (first.accepted, bad.rejected, counted) == (20, 1, 20) else 1)
