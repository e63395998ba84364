"""Apache Airflow looks on while hxp's own scheduler does the work: a run of hxp_watch fails when an aggregation is late or failed.

For those who let hxp schedule itself and want its state among their other DAGs. Copy it beside hxp_batch_processing.py, from which it
takes the way to the batch API; the DAGs of that file stay paused then.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

try:  # Airflow 3
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow import DAG
    from airflow.decorators import task
from airflow.exceptions import AirflowException
from airflow.timetables.interval import CronDataIntervalTimetable

from hxp_batch_processing import Batch

GRACE = timedelta(minutes=10)  # an aggregation may take so long after its time


def check(level: str) -> dict:
    """Fails when the level is failing, or when its next run should have begun already."""
    batch = Batch()
    status, answer, _ = batch.call("GET", "/aggregation/status")
    if status != 200:
        raise AirflowException(f"{batch.base}/aggregation/status: {status} {answer.get('detail')}")
    state, detail = answer.get(level), answer.get("detail", {}).get(level, {})
    if state == "failed":
        raise AirflowException(f"{level} aggregation failed: {detail.get('last_error')}")
    due = detail.get("next_run")
    if state != "disabled" and due:
        late = datetime.now(timezone.utc) - datetime.fromisoformat(due.replace("Z", "+00:00"))
        if late > GRACE:
            raise AirflowException(f"{level} aggregation should have run {late} ago; does the scheduler of hxp run?")
    return {"state": state, **detail}


with DAG(
    "hxp_watch",
    description="State of the aggregations that hxp schedules by itself",
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
    tags=["hxp"],
    default_args={"owner": "hxp-enterprise-llm", "retries": 1, "retry_delay": timedelta(minutes=1)},
    doc_md=__doc__,
) as watch_dag:
    for level in ("hourly", "daily", "weekly", "monthly"):
        task(check, task_id=f"{level}_is_in_time")(level)
