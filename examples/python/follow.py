#!/usr/bin/env python3
"""Follow hxp's live streams with Python's standard library alone: python3 follow.py [URL of data-streaming-api] [topics] [how many messages]"""
import http.client, json, os, sys, time, urllib.error, urllib.request

URL, TOPICS, MOST = (sys.argv[1:] + ["http://127.0.0.1:9102", "metrics,alerts", "0"][len(sys.argv) - 1:])[:3]
TOKEN = {"Authorization": f"Bearer {os.environ['HXP_TOKEN']}"} if "HXP_TOKEN" in os.environ else {}


def frames(response):
    """Each frame of an event stream as (id, data). Comments, which come every 15 s, show that the server is there."""
    ident, data = None, []
    for line in response:
        name, _, value = line.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            ident = value
        elif name == "data":
            data.append(value)
        elif not name and not value and data:
            yield ident, "\n".join(data)
            ident, data = None, []


def follow(url, topics):
    """Every message once, over as many connections as it takes: the id of the last one resumes them all."""
    last = None
    while True:
        request = urllib.request.Request(f"{url}/stream?topics={topics}", headers=TOKEN | ({"Last-Event-ID": last} if last else {}))
        try:
            with urllib.request.urlopen(request, timeout=40) as response:
                for ident, data in frames(response):
                    yield json.loads(data)
                    last = ident or last
        except urllib.error.HTTPError as e:
            if e.code not in (429, 502, 503, 504):
                raise SystemExit(f"hxp refused the stream: {e.code} {e.read().decode()}")
            time.sleep(float(e.headers.get("Retry-After") or 5))
        except (OSError, http.client.HTTPException):    # cut
            pass
        time.sleep(1)


def merge(target, patch):
    """What a patch (RFC 7396) makes of a state."""
    for name, value in patch.items():
        old = target.pop(name, None)
        if value is not None:
            target[name] = merge(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return target


states, n = {}, 0
for m in follow(URL, TOPICS):
    if m["type"] in ("snapshot", "update"):
        m["data"] = states[m["topic"]] = merge({} if m["type"] == "snapshot" else states[m["topic"]], m["data"])
    print(m["type"], m.get("topic", ""), json.dumps(m.get("data") or m), flush=True)
    n += m["type"] in ("event", "snapshot", "update")
    if n and n == int(MOST):    # 0 = for ever
        break
