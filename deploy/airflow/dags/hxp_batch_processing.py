"""The batch work of hxp under Apache Airflow 2.11 and 3.x: four DAGs, each task submits a run to the batch API and waits for its end.

Copy this file into the DAGs folder. It needs no provider and no triggerer. Where hxp is, says the Airflow connection `hxp_batch`
(host, port, schema; a bearer token as the password) or, without one, HXP_BATCH_URL and HXP_TOKEN in the environment of the workers.
Pause the four DAGs of hxp itself first (`hxp dags pause`, or the page on port 8080): both may run, nothing is counted twice, but the
work is done twice.

The interval of a run is what counts, so the timetables are named: with a plain cron string, Airflow 3 gives intervals of no length.
A run that was started by hand without an interval takes the last whole one. `data_interval_start` and `data_interval_end` in the conf
of a run win over both. A retry of a task attaches to the run that is still under way, if there is one.

HXP_HOURLY_PARTS=n (1 to 64) lets the hour be folded in n parts: mapped tasks of Airflow ask for one part each before the task
hourly_aggregation merges them. Every instance of hxp on the same database takes some. Runs of more than one hour are not divided.
"""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

import pendulum

try:  # Airflow 3
    from airflow.sdk import DAG, BaseHook, get_current_context, task
except ImportError:  # Airflow 2.11
    from airflow import DAG
    from airflow.decorators import task
    from airflow.hooks.base import BaseHook
    from airflow.operators.python import get_current_context
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.timetables.interval import CronDataIntervalTimetable

CONNECTION = "hxp_batch"
POLL_SECONDS = 2.0
UNREACHABLE_SECONDS = 300.0  # how long the service may be away while a run is waited for

log = logging.getLogger(__name__)


def environment(name: str, default: str) -> str:
    """A setting under the name that the specification gives it; an empty one is as good as none."""
    return os.environ.get(name, "").strip() or default


class Batch:
    """The batch API, as far as a task needs it."""

    def __init__(self) -> None:
        try:
            c = BaseHook.get_connection(CONNECTION)
            host = c.host or "127.0.0.1"
            self.base = host.rstrip("/") if "://" in host else f"{c.schema or 'http'}://{host}:{c.port or 9101}"
            self.token = c.password
        except Exception:  # each line of Airflow has its own error for a connection that is not there
            self.base = environment("HXP_BATCH_URL", "http://127.0.0.1:9101").rstrip("/")
            self.token = environment("HXP_TOKEN", "")

    def call(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict, str]:
        """One request: status, answer, Location. A status is no error here; no answer is a ConnectionError."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as r:
                return r.status, document(r.read()), r.headers.get("Location") or ""
        except urllib.error.HTTPError as e:
            return e.code, document(e.read()), ""
        except (urllib.error.URLError, TimeoutError, ConnectionError) as e:
            raise ConnectionError(f"{self.base} does not answer: {e}") from e


def document(data: bytes) -> dict:
    try:
        j = json.loads(data or b"{}")
    except ValueError:
        return {"detail": data[:500].decode("utf-8", "replace")}
    return j if isinstance(j, dict) else {"detail": str(j)[:500]}


def interval(level: str, cron: str) -> tuple[datetime, datetime]:
    """The periods that this run aggregates: those of its conf, else the whole ones that its interval ended, else the last whole one."""
    context = get_current_context()
    run = context["dag_run"]
    conf = run.conf or {}
    if "data_interval_start" in conf and "data_interval_end" in conf:
        return moment(conf["data_interval_start"]), moment(conf["data_interval_end"])
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    if start is None or end is None or not start < end:
        start, end = last_whole(cron, getattr(run, "run_after", None) or datetime.now(timezone.utc))
    return whole(level, start, end)


def last_whole(cron: str, before: datetime) -> tuple[datetime, datetime]:
    """The last interval of a schedule that ended by then."""
    found = timetable(cron).infer_manual_data_interval(run_after=pendulum.instance(before))
    return found.start, found.end


def whole(level: str, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The whole periods between two ticks of a cron; a cron need not tick at the edge of a period (5 0 * * *)."""
    first, last = floor(level, start), floor(level, end)
    return (first if first < last else floor(level, last - timedelta(microseconds=1))), last


def floor(level: str, t: datetime) -> datetime:
    """The start of the period that holds t, in UTC; weeks begin on Sunday."""
    t = t.astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
    if level == "hourly":
        return t
    t = t.replace(hour=0)
    if level == "weekly":
        return t - timedelta(days=(t.weekday() + 1) % 7)
    return t.replace(day=1) if level == "monthly" else t


def timetable(cron: str) -> CronDataIntervalTimetable:
    return CronDataIntervalTimetable(cron, timezone="UTC")


def moment(text: str) -> datetime:
    t = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return t if t.tzinfo else t.replace(tzinfo=timezone.utc)


def stamp(t: datetime) -> str:
    return t.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def run_task(dag_id: str, task_id: str, level: str, cron: str, parts: int = 1, part: int | None = None) -> dict:
    """Submits one task of hxp, or one part of it, for the interval of this run and waits for its end; the summary of the task."""
    start, end = interval(level, cron)
    conf: dict = {"airflow_run_id": get_current_context()["dag_run"].run_id}
    if parts > 1 and end - start == timedelta(hours=1):
        conf |= {"parts": parts} | ({"merge": True} if part is None else {"part": part})
    elif part is not None:
        log.info("[%s, %s) is not one hour and is not divided", stamp(start), stamp(end))
        return {}
    batch = Batch()
    status, answer, location = batch.call("POST", "/runs", {
        "dag_id": dag_id, "task_id": task_id, "data_interval_start": stamp(start), "data_interval_end": stamp(end),
        "conf": conf,
    })
    if status in (400, 404, 409, 422):  # another try would hear the same
        raise AirflowFailException(f"{batch.base} does not take the run: {status} {answer.get('detail')}")
    if status not in (200, 202):
        raise AirflowException(f"{batch.base}: POST /runs: {status} {answer.get('detail')}")
    path = urllib.parse.urlsplit(location).path
    log.info("hxp runs %s of %s for [%s, %s): %s", task_id, dag_id, stamp(start), stamp(end), path)
    await_end(batch, path)
    return summary(batch, path, answer.get("task_id") or task_id)


def await_end(batch: Batch, path: str) -> None:
    """Returns when the run succeeded. The service may be away for a while; the time of the task bounds all of it."""
    away = None
    while True:
        try:
            status, answer, _ = batch.call("GET", path + "/outcome")
            away = None
        except ConnectionError as e:
            away = away or time.monotonic()
            if time.monotonic() - away > UNREACHABLE_SECONDS:
                raise AirflowException(str(e)) from e
            status = 503
        if status == 200:
            if answer.get("state") == "success":
                return
            raise AirflowException(f"{path} ended as {answer.get('state')}: {answer.get('error')}")
        if status not in (404, 429, 502, 503, 504):  # 404: still under way
            raise AirflowException(f"{batch.base}{path}/outcome: {status} {answer.get('detail')}")
        time.sleep(POLL_SECONDS)


def summary(batch: Batch, path: str, task_id: str) -> dict:
    status, run, _ = batch.call("GET", path)
    tasks = run.get("tasks", []) if status == 200 else []
    found = next((t.get("summary") for t in tasks if t.get("task_id") == task_id), None) or {}
    log.info("%s: %s", task_id, json.dumps(found))
    return found


def dag(dag_id: str, cron: str, *tasks: str, parts: int = 1) -> DAG:
    """One DAG of hxp; its tasks follow each other. With parts, mapped tasks come before the first one."""
    level = dag_id.split("_")[1]
    cron = environment(f"BATCH_PROCESSING_{level.upper()}_CRON", cron)
    with DAG(
        dag_id,
        description=f"{level.capitalize()} data aggregation for HXP Enterprise LLM Server",
        schedule=timetable(cron),
        start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=4,
        tags=["hxp"],
        default_args={
            "owner": "hxp-enterprise-llm",
            "depends_on_past": False,
            "email_on_failure": False,
            "email_on_retry": False,
            "retries": int(environment("BATCH_PROCESSING_RETRIES", "3")),
            "retry_delay": timedelta(seconds=int(environment("BATCH_PROCESSING_RETRY_DELAY", "300"))),
            "execution_timeout": timedelta(seconds=int(environment("BATCH_PROCESSING_TIMEOUT", "3600"))),
        },
        doc_md=__doc__,
    ) as d:
        before = None
        if parts > 1:
            each = task(run_task, task_id=f"{tasks[0]}_part").partial(dag_id=dag_id, task_id=tasks[0], level=level, cron=cron, parts=parts)
            before = each.expand(part=list(range(parts)))
        for task_id in tasks:
            this = task(run_task, task_id=task_id)(dag_id, task_id, level, cron, parts if task_id == tasks[0] else 1)
            if before is not None:
                before >> this
            before = this
    return d


hourly_dag = dag("hxp_hourly_aggregation", "0 * * * *", "hourly_aggregation", parts=min(64, max(1, int(environment("HXP_HOURLY_PARTS", "1")))))
daily_dag = dag("hxp_daily_aggregation", "0 0 * * *", "daily_aggregation", "report_generation")
weekly_dag = dag("hxp_weekly_aggregation", "0 0 * * 0", "weekly_aggregation", "capacity_analysis")
monthly_dag = dag("hxp_monthly_aggregation", "0 0 1 * *", "monthly_aggregation")
