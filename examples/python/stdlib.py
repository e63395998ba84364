#!/usr/bin/env python3
"""Send events to hxp with Python's standard library alone: python3 stdlib.py [URL of kafka-api]"""
import json, os, sys, time, urllib.error, urllib.request, uuid

URL = (sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:9099") + "/events"
HEADERS = {"Content-Type": "application/x-ndjson"} | ({"Authorization": f"Bearer {os.environ['HXP_TOKEN']}"} if "HXP_TOKEN" in os.environ else {})


def send(events, tries=8):
    """Post a batch until hxp has it. The ids stay the same, so a batch that arrives twice counts once."""
    body = "\n".join(json.dumps(e) for e in events).encode()
    for n in range(tries):
        request = urllib.request.Request(URL, body, HEADERS)
        try:
            with urllib.request.urlopen(request, timeout=30) as r:
                return json.load(r)
        except urllib.error.HTTPError as e:
            if e.code == 422:                       # none of them is valid; the answer says why
                return json.load(e)
            if e.code not in (429, 500, 502, 503, 504):
                raise SystemExit(f"hxp refused the batch: {e.code} {e.read().decode()}")
            pause = float(e.headers.get("Retry-After") or 0)
        except OSError:                             # hxp is away
            pause = 0
        time.sleep(max(pause, min(0.1 * 2**n, 10)))
    raise SystemExit("hxp did not take the batch; keep it and send it later")


def llm_request(model, started, prompt_tokens, completion_tokens, **more):
    now = time.time()
    return {
        "event_id": str(uuid.uuid4()),
        "event_type": "llm_request",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(started)) + f"{started % 1:.6f}"[1:] + "Z",
        "source": "python-example",
        "data": {"model": model, "duration_ms": (now - started) * 1000, "success": True, "prompt_tokens": prompt_tokens,
                 "completion_tokens": completion_tokens, **more},
    }


if __name__ == "__main__":
    begun = time.time()
    answer = send([llm_request("python-stdlib", begun, 100 + n, 10, request_id=f"example-{uuid.uuid4()}") for n in range(20)])
    print("accepted", answer["accepted"], "rejected", answer["rejected"])
    sys.exit(0 if answer["rejected"] == 0 else 1)
