"""The three ways to what hxp knows: the live stream, the aggregates, and the raw events in the lake."""
import json
import pathlib
import urllib.parse
import urllib.request

import pandas as pd


def ask(base, path, **query):
    """An answer of one of the APIs."""
    with urllib.request.urlopen(f"{base}{path}?{urllib.parse.urlencode(query)}", timeout=10) as r:
        return json.load(r)


def live(base):
    """The state of the live stream as of now: the snapshot that it begins with."""
    with urllib.request.urlopen(f"{base}/stream/metrics", timeout=10) as r:
        for line in r:
            if line.startswith(b"data:"):
                message = json.loads(line[5:])
                if message["type"] == "snapshot":
                    return message["data"]
    raise OSError("the stream ended before it told a state")


def models(state):
    """The models of a live state, the busiest first."""
    rows = [{"model": name, "requests": s["requests"], "error rate": s.get("error_rate"), "p95 ms": (s.get("latency_ms") or {}).get("p95"),
             "tokens": s["tokens"]["total"], "cost usd": s.get("cost_usd")} for name, s in state["models"].items()]
    return pd.DataFrame(rows, columns=["model", "requests", "error rate", "p95 ms", "tokens", "cost usd"]).sort_values("requests", ascending=False, ignore_index=True)


def hours(base, start, end):
    """The hourly rows of all models, page by page; the same rows as in the table hourly_aggregations of the database."""
    rows, cursor = [], ""
    while True:
        page = ask(base, "/aggregations/hourly", **{"from": start, "to": end, "model": "*", "limit": 1000, "cursor": cursor})
        rows += page["rows"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    table = pd.DataFrame(rows)
    if len(table):
        table["timestamp"] = pd.to_datetime(table["timestamp"])
    return table


def lake(folder, topic="llm-requests"):
    """Raw events. Rows that a compaction has not brought together yet may repeat, so each event counts once by its id."""
    files = sorted(str(f) for f in pathlib.Path(folder, topic).glob("dt=*/hour=*/*.parquet"))
    if not files:
        return pd.DataFrame()
    return pd.concat([pd.read_parquet(f, partitioning=None) for f in files]).drop_duplicates("event_id")
