"""Runs what `hxp lake sql --json` printed in DuckDB and pandas and checks it against what was sent.
usage: readers.py QUERIES.json EXPECTED.json LAKE, the folder or s3://… of the lake. Prints one line for each reader; an assertion fails otherwise."""
import datetime
import glob
import json
import sys

queries = {q["engine"]: q["text"] for q in json.load(open(sys.argv[1]))["queries"]}
expected = json.load(open(sys.argv[2]))
lake = sys.argv[3]
want = sorted((g["dt"], g["hour"], g["model"], g["events"], g["prompt_tokens"], g["completion_tokens"]) for g in expected["groups"])
first, last = (datetime.datetime.fromisoformat(expected[k]) for k in ("first", "last"))


def duck():
    import duckdb
    con = duckdb.connect()
    rows = con.execute(queries["duckdb"]).fetchall()
    got = sorted((str(dt), hour, model, events, int(p), int(c)) for dt, hour, model, events, p, c, _ in rows)
    assert got == want, (got[:3], want[:3], len(got), len(want))
    types = con.execute('SELECT typeof(timestamp), typeof(dt), typeof(hour), typeof(success), typeof(duration_ms), typeof(prompt_tokens), typeof(cost_nano_usd) FROM llm_requests LIMIT 1').fetchone()
    assert types == ("TIMESTAMP WITH TIME ZONE", "DATE", "INTEGER", "BOOLEAN", "DOUBLE", "BIGINT", "BIGINT"), types
    span = con.execute("SELECT epoch_us(min(timestamp)), epoch_us(max(timestamp)) FROM llm_requests").fetchone()
    assert span == tuple(int(t.timestamp() * 1e6 + 0.5) for t in (first, last)), (span, first, last)
    # A bare pattern, as people type it: hours are numbers, and each row lies in the hour of its time.
    con.execute(f"CREATE VIEW bare AS SELECT * FROM read_parquet('{lake}/llm-requests/**/*.parquet', hive_partitioning = true)")
    assert con.execute("SELECT DISTINCT typeof(hour) FROM bare").fetchall() == [("BIGINT",)]
    assert con.execute("SELECT count(*) FROM bare WHERE hour <> extract(hour FROM timestamp AT TIME ZONE 'UTC') OR dt <> CAST(timestamp AT TIME ZONE 'UTC' AS DATE)").fetchone() == (0,)
    return duckdb.__version__


def pandas():
    import pandas as pd
    import pyarrow as pa
    scope = {"print": lambda _: None}
    exec(queries["pandas"], scope)
    df = scope["llm_requests"]
    assert str(df["timestamp"].dtype) == "datetime64[us, UTC]", df["timestamp"].dtype
    assert df["hour"].dtype.kind == "i" and df["prompt_tokens"].dtype.kind in "if", df.dtypes
    assert (df["timestamp"].dt.hour == df["hour"]).all()
    assert (df["timestamp"].min(), df["timestamp"].max()) == (pd.Timestamp(first), pd.Timestamp(last))
    g = df.groupby(["dt", "hour", "model"]).agg(n=("event_id", "count"), p=("prompt_tokens", "sum"), c=("completion_tokens", "sum"))
    got = sorted((str(dt), int(hour), model, int(r.n), int(r.p), int(r.c)) for (dt, hour, model), r in g.iterrows())
    assert got == want, (got[:3], want[:3], len(got), len(want))
    return f"{pd.__version__} with pyarrow {pa.__version__}"


def single():
    """pandas.read_parquet on one file, as people begin."""
    import pandas as pd
    path = sorted(glob.glob(f"{lake}/llm-requests/**/*.parquet", recursive=True))[0]
    df = pd.read_parquet(path)
    assert str(df["timestamp"].dtype) == "datetime64[us, UTC]" and len(df) > 0 and {"event_id", "topic", "partition", "offset", "metadata", "extra"} <= set(df.columns)
    return f"{len(df)} rows of one file"


print("pandas", pandas())
if not lake.startswith("s3://"):  # DuckDB loads its S3 reader from the network
    print("duckdb", duck())
    print("pandas.read_parquet", single())
