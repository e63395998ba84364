"""Three ways to what hxp knows: the live stream, the aggregates in SQL, and the raw events in the lake."""
import contextlib
import json
import os
import pathlib
import sqlite3
import urllib.request

import pandas as pd

COLUMNS = ["model", "requests", "error rate", "p95 ms", "tokens", "cost usd"]


def live(base):
    """What is going on: the state that the stream of data-streaming-api begins with."""
    token = {"Authorization": f"Bearer {os.environ['HXP_TOKEN']}"} if "HXP_TOKEN" in os.environ else {}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/stream/metrics", headers=token), timeout=10) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                message = json.loads(line[5:])
                if message["type"] == "snapshot":
                    return message["data"]
    raise OSError("the stream ended before it told a state")


def models(state):
    """The models of a live state as a table, the busiest first."""
    rows = [(name, s["requests"], s.get("error_rate"), (s.get("latency_ms") or {}).get("p95"), s["tokens"]["total"], s.get("cost_usd")) for name, s in state["models"].items()]
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("requests", ascending=False, ignore_index=True)


def hours(database, since):
    """Hours at rest, one row for each hour and model; those of all models together are called _all. database is the file of SQLite, opened
    for reading alone. For PostgreSQL give pandas a connection of SQLAlchemy instead; table and columns are the same."""
    query = "SELECT timestamp, model, requests, errors, latency_p95_ms, total_tokens, user_satisfaction, cost_usd FROM hourly_aggregations WHERE timestamp >= ? ORDER BY timestamp, model"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        table = pd.read_sql_query(query, connection, params=[since])
    table["timestamp"] = pd.to_datetime(table["timestamp"], utc=True, format="ISO8601")
    return table


def lake(folder, topic="llm-requests", files=200):
    """Raw events of the newest files. Until an hour is compacted an event may lie in it twice, so each counts once by its id."""
    paths = sorted(pathlib.Path(folder, topic).glob("dt=*/hour=*/*.parquet"), key=lambda p: p.stat().st_mtime)[-files:]
    if not paths:
        return pd.DataFrame({"event_id": [], "model": [], "duration_ms": [], "success": []})
    return pd.concat([pd.read_parquet(p, partitioning=None) for p in paths]).drop_duplicates("event_id")
