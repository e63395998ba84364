"""The hourly rows of hxp, computed by Apache Spark over the same lake: for hours that are larger than one machine.

    hxp lake ls --json > files.json
    spark-submit hourly_aggregation.py --files files.json --lake /var/lib/hxp/lake --from 2026-03-01T10:00:00Z --to 2026-03-01T12:00:00Z --output rows/

The list of files is the authority: a bare glob of the lake may see files that are not, or no longer, part of it. The rows have the
columns of the table hourly_aggregations. Counts, sums, money and means equal those of hxp; percentiles here are the exact nearest rank
and distinct users are counted, where hxp is within 1 % and 5 %. --jdbc writes the rows into the table of a PostgreSQL store beside the
files, for hours that hxp itself leaves alone (the DAG hxp_hourly_aggregation is paused).

An hour is what hxp makes of it: of several copies of one identity (source, event_id) the one at the smallest place counts; feedback and
business events count in the hour of their own time, under the model that they name, else under that of their request in the same hour,
else in `_all` alone. An hour of more than 5,000 models, which hxp folds into `__other__`, keeps all of them here.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timedelta, timezone

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

ALL = "_all"
HOUR = timedelta(hours=1)
REQUESTS, FEEDBACK, METRICS, BUSINESS = "llm_request", "user_feedback", "system_metric", "business_event"
# What the rows need beyond the common columns; a kind of event has only some of them.
FIELDS = {
    "model": T.StringType(), "request_id": T.StringType(), "user_id": T.StringType(), "success": T.BooleanType(),
    "duration_ms": T.DoubleType(), "ttft_ms": T.DoubleType(), "prompt_tokens": T.LongType(), "completion_tokens": T.LongType(),
    "total_tokens": T.LongType(), "cost_nano_usd": T.LongType(), "satisfaction_score": T.DoubleType(), "business_value_nano_usd": T.LongType(),
    "cpu_usage": T.DoubleType(), "memory_usage": T.DoubleType(), "gpu_usage": T.DoubleType(),
}
COMMON = ("event_id", "event_type", "timestamp", "source", "topic", "partition", "offset", "ingested_at")


def moment(text: str) -> datetime:
    t = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return t if t.tzinfo else t.replace(tzinfo=timezone.utc)


def live_files(path: str, start: datetime, end: datetime) -> dict[str, list[str]]:
    """The live files of the hours that touch [start, end), by topic."""
    with sys.stdin if path == "-" else open(path, encoding="utf-8") as f:
        files = json.load(f)["files"]
    out: dict[str, list[str]] = {}
    for f in files:
        hour = datetime.fromisoformat(f["dt"]).replace(tzinfo=timezone.utc) + HOUR * int(f["hour"])
        if f["state"] == "live" and start <= hour < end:
            out.setdefault(f["path"].split("/", 1)[0], []).append(f["path"])
    return out


def read(spark: SparkSession, root: str, paths: list[str]) -> DataFrame:
    """Files of one topic, with the columns that the rows need; a field that the kind lacks is null."""
    frame = spark.read.parquet(*(f"{root.rstrip('/')}/{p}" for p in paths))
    chain = F.element_at(F.split(F.input_file_name(), "/"), -1)  # begins with the id of the topic: one made anew comes after
    fields = [(F.col(c) if c in frame.columns else F.lit(None)).cast(t).alias(c) for c, t in FIELDS.items()]
    return frame.select(*(F.col(f"`{c}`") for c in COMMON), *fields, F.split(chain, "-")[0].alias("chain"))


def distinct(events: DataFrame) -> DataFrame:
    """One copy of each identity: the one at the smallest place."""
    identity = (F.coalesce(F.col("source"), F.lit("")), F.col("event_id"), F.col("hour"))
    first = Window.partitionBy(*identity).orderBy("topic", "chain", "partition", "offset")
    return events.withColumn("copy", F.row_number().over(first)).where("copy = 1").drop("copy")


def with_models(events: DataFrame) -> DataFrame:
    """Feedback and business events without a model take that of their request in the same hour."""
    first = Window.partitionBy("hour", "request_id").orderBy("topic", "chain", "partition", "offset")
    named = (events.where((F.col("event_type") == REQUESTS) & F.col("request_id").isNotNull() & (F.coalesce("model", F.lit("")) != ""))
             .withColumn("n", F.row_number().over(first)).where("n = 1")
             .select("hour", "request_id", F.col("model").alias("request_model")))
    asks = F.col("event_type").isin(FEEDBACK, BUSINESS) & (F.coalesce("model", F.lit("")) == "")
    joined = events.join(named, ["hour", "request_id"], "left")
    model = F.when(asks, F.col("request_model")).otherwise(F.col("model"))
    return joined.withColumn("model", F.when((model == "") | (model == ALL), None).otherwise(model)).drop("request_model")


def rows(events: DataFrame, lateness: timedelta) -> DataFrame:
    """One row for each hour and model, and one for all of each hour."""
    late = F.col("ingested_at").cast("double") - F.col("timestamp").cast("double") > lateness.total_seconds()
    of = lambda kind: F.col("event_type") == kind
    when = lambda condition, value: F.when(condition, value)
    count = lambda condition: F.sum(condition.cast("long"))
    ok = of(REQUESTS) & (F.col("success") == F.lit(True))
    tokens = lambda c: F.coalesce(F.sum(when(of(REQUESTS), F.col(c))), F.lit(0)).cast("long")
    # exact nearest rank: the smallest value whose share of the values is at least p
    rank = lambda c, p: F.expr(f"percentile_disc({p}) WITHIN GROUP (ORDER BY CASE WHEN event_type = '{REQUESTS}' AND success THEN {c} END)")
    dollars = lambda kind, c: F.sum(when(of(kind), F.col(c))) / F.lit(1e9)
    usage = lambda c: F.avg(when(of(METRICS), F.col(c)))
    columns = [
        count(of(REQUESTS)).alias("requests"),
        count(of(REQUESTS) & (F.col("success") == F.lit(False))).alias("errors"),
        count(of(REQUESTS) & F.col("success").isNotNull()).alias("known"),
        F.avg(when(ok, F.col("duration_ms"))).alias("latency_avg_ms"),
        rank("duration_ms", 0.5).alias("latency_p50_ms"), rank("duration_ms", 0.95).alias("latency_p95_ms"), rank("duration_ms", 0.99).alias("latency_p99_ms"),
        rank("ttft_ms", 0.5).alias("ttft_p50_ms"), rank("ttft_ms", 0.95).alias("ttft_p95_ms"),
        tokens("prompt_tokens").alias("prompt_tokens"), tokens("completion_tokens").alias("completion_tokens"), tokens("total_tokens").alias("total_tokens"),
        F.countDistinct(when(of(REQUESTS), F.nullif("user_id", F.lit("")))).alias("unique_users"),
        count(of(FEEDBACK)).alias("feedback_count"),
        F.avg(when(of(FEEDBACK), F.col("satisfaction_score"))).alias("user_satisfaction"),
        count(of(BUSINESS)).alias("business_events"),
        dollars(BUSINESS, "business_value_nano_usd").alias("business_value_usd"), dollars(REQUESTS, "cost_nano_usd").alias("cost_usd"),
        usage("cpu_usage").alias("cpu_usage"), usage("memory_usage").alias("memory_usage"), usage("gpu_usage").alias("gpu_usage"),
        F.count(F.lit(1)).alias("events"), count(late).alias("late_events"),
    ]
    by_model = events.where(F.col("model").isNotNull()).groupBy("hour", "model").agg(*columns)
    for c in ("cpu_usage", "memory_usage", "gpu_usage"):  # a machine serves all models
        by_model = by_model.withColumn(c, F.lit(None).cast("double"))
    total = events.groupBy("hour").agg(*columns).withColumn("model", F.lit(ALL)).select(by_model.columns)
    return finished(total.unionByName(by_model))


def finished(sums: DataFrame) -> DataFrame:
    """The columns of the table, in their order."""
    return (sums.withColumn("error_rate", F.when(F.col("known") > 0, F.col("errors") / F.col("known")))
            .withColumn("throughput_rps", F.col("requests") / F.lit(3600.0))
            .withColumn("capacity_utilization", F.lit(None).cast("double"))
            .withColumn("completeness", F.lit(1.0)).withColumn("updated_at", F.current_timestamp())
            .withColumnRenamed("hour", "timestamp")
            .select("timestamp", "model", "requests", "errors", "error_rate", "throughput_rps", "latency_avg_ms", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms",
                    "ttft_p50_ms", "ttft_p95_ms", "prompt_tokens", "completion_tokens", "total_tokens", "unique_users", "feedback_count", "user_satisfaction",
                    "business_events", "business_value_usd", "cost_usd", "cpu_usage", "memory_usage", "gpu_usage", "capacity_utilization", "events", "late_events",
                    "completeness", "updated_at")
            .orderBy("timestamp", "model"))


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description="Hourly rows of hxp by Apache Spark.")
    p.add_argument("--files", required=True, help="output of `hxp lake ls --json`, or - for standard input")
    p.add_argument("--lake", required=True, help="root of the lake: a folder, or s3a://bucket/prefix")
    p.add_argument("--from", dest="start", required=True, type=moment, help="first hour, such as 2026-03-01T10:00:00Z")
    p.add_argument("--to", dest="end", required=True, type=moment, help="end of the last hour")
    p.add_argument("--lateness", type=float, default=300, help="seconds after its own time from which an event counts as late (EVENT_PROCESSING_LATENESS)")
    p.add_argument("--output", required=True, help="folder of the rows")
    p.add_argument("--format", choices=("json", "csv", "parquet"), default="parquet")
    p.add_argument("--jdbc", help="JDBC URL of the store, to append the rows to its table as well")
    a = p.parse_args()
    if a.start >= a.end or any((t.minute, t.second, t.microsecond) != (0, 0, 0) for t in (a.start, a.end)):
        p.error("--from and --to are whole hours, --from the earlier one")
    return a


def main() -> int:
    a = arguments()
    files = live_files(a.files, a.start, a.end)
    if not files:
        print("no live file in this interval: nothing to aggregate", file=sys.stderr)
        return 0
    spark = SparkSession.builder.appName("hxp hourly_aggregation").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    frames = [read(spark, a.lake, paths) for _, paths in sorted(files.items())]
    events = frames[0]
    for f in frames[1:]:
        events = events.unionByName(f)
    events = events.withColumn("hour", F.date_trunc("hour", "timestamp"))
    result = rows(with_models(distinct(events)), timedelta(seconds=a.lateness)).cache()
    writer = result.coalesce(1).write.mode("overwrite")
    getattr(writer.option("header", True) if a.format == "csv" else writer, a.format)(a.output)
    if a.jdbc:
        result.write.mode("append").jdbc(a.jdbc, "hourly_aggregations", properties={"driver": "org.postgresql.Driver"})
    print(f"{result.count()} rows of {sum(map(len, files.values()))} files in {a.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
