"""Drives the scheduler of hxp with Apache Airflow's own clients: apache-airflow-client, and airflowctl as a command.

  airflow_clients.py BASE USER PASSWORD AIRFLOWCTL EARLIER

EARLIER is an hour of the past (RFC 3339) that has events. Ends with 0 when all went as on a real Airflow; else the first difference is told.
"""
import datetime as dt, json, os, subprocess, sys, time, urllib.error, urllib.request

import airflow_client.client as af
from airflow_client.client.exceptions import ApiException

base, user, password, ctl, earlier = sys.argv[1:]
hour = dt.datetime.fromisoformat(earlier.replace("Z", "+00:00"))
HOURLY, DAILY, MONTHLY = (f"hxp_{p}_aggregation" for p in ("hourly", "daily", "monthly"))


def equal(what, got, want):
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def login(path):
    r = urllib.request.Request(base + path, json.dumps({"username": user, "password": password}).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(r) as answer:
        equal(path, answer.status, 201)
        return json.load(answer)["access_token"]


def refused(what, status, call):
    try:
        call()
    except ApiException as e:
        equal(what, e.status, status)
        return json.loads(e.body)["detail"]
    sys.exit(f"{what}: not refused, want {status}")


def until(what, look, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if v := look():
            return v
        time.sleep(0.2)
    sys.exit(f"{what}: not within {seconds} s")


def the_library():
    conf = af.Configuration(host=base)
    conf.access_token = login("/auth/token")
    with af.ApiClient(conf) as c:
        dags, runs, tasks, fills = af.DAGApi(c), af.DagRunApi(c), af.TaskInstanceApi(c), af.BackfillApi(c)
        equal("version", af.VersionApi(c).get_version().version, "3.3.2")
        equal("health", af.MonitorApi(c).get_health().metadatabase.status, "healthy")
        equal("dags", dags.get_dags(limit=10).total_entries, 4)
        equal("tags", "hxp" in dags.get_dag_tags().tags, True)
        equal("a DAG", dags.get_dag(DAILY).timetable_summary, "0 0 * * *")
        equal("details", dags.get_dag_details(DAILY).default_args["retries"], 3)
        equal("tasks", [t.task_id for t in af.TaskApi(c).get_tasks(DAILY).tasks], ["daily_aggregation", "report_generation"])
        for paused in (True, False):
            equal("pause", dags.patch_dag(MONTHLY, af.DAGPatchBody(is_paused=paused), update_mask=["is_paused"]).is_paused, paused)
        refused("an unknown DAG", 404, lambda: dags.get_dag("nope"))

        body = af.TriggerDAGRunPostBody(dag_run_id="library-1", logical_date=None, data_interval_start=hour, data_interval_end=hour + dt.timedelta(hours=1), conf={"why": "test"}, note="by hand")
        run = runs.trigger_dag_run(HOURLY, body)
        equal("trigger", (run.dag_run_id, run.run_type.value, run.data_interval_start, run.conf, run.note), ("library-1", "manual", hour, {"why": "test"}, "by hand"))
        equal("the same again", refused("the same again", 409, lambda: runs.trigger_dag_run(HOURLY, body))["reason"], "Unique constraint violation")
        until("end of the run", lambda: runs.get_dag_run(HOURLY, "library-1").state.value == "success")
        equal("wait", json.loads(runs.wait_dag_run_until_finished_without_preload_content(HOURLY, "library-1", interval=0.2).data.splitlines()[-1])["state"], "success")
        newest = runs.get_dag_runs(HOURLY, limit=3, order_by=["-run_after"])
        equal("newest run", (newest.dag_runs[0].dag_run_id, newest.total_entries > 0), ("library-1", True))
        equal("runs by state", {r.state.value for r in runs.get_dag_runs(HOURLY, state=["success"]).dag_runs}, {"success"})
        equal("runs by a body", runs.get_list_dag_runs_batch("~", af.DAGRunsBatchBody(states=["success"], page_limit=1, order_by="-run_after")).dag_runs[0].dag_run_id, "library-1")
        ti = tasks.get_task_instances(HOURLY, "library-1").task_instances
        equal("task instances", [(t.task_id, t.state.value, t.try_number) for t in ti], [("hourly_aggregation", "success", 1)])
        equal("a task instance", tasks.get_task_instance(HOURLY, "library-1", "hourly_aggregation").id, ti[0].id)
        equal("tries", tasks.get_task_instance_tries(HOURLY, "library-1", "hourly_aggregation").total_entries, 1)
        log = tasks.get_log(HOURLY, "library-1", "hourly_aggregation", 1, full_content=True)
        equal("log", len(log.content.actual_instance) > 3, True)
        # What the library cannot read of a real Airflow either: a task instance also fits another model of the list.
        cleared = json.loads(runs.clear_dag_run_without_preload_content(HOURLY, "library-1", af.DAGRunClearBody(dry_run=True)).data)
        equal("clear, dry", cleared["total_entries"], 1)
        equal("clear", runs.clear_dag_run(HOURLY, "library-1", af.DAGRunClearBody(dry_run=False)).actual_instance.state.value in ("queued", "running", "success"), True)
        until("end of the cleared run", lambda: runs.get_dag_run(HOURLY, "library-1").state.value == "success")
        equal("clear tasks, dry", tasks.post_clear_task_instances(HOURLY, af.ClearTaskInstancesBody(dry_run=True, only_failed=False, dag_run_id="library-1")).total_entries, 1)
        equal("patch", runs.patch_dag_run(HOURLY, "library-1", af.DAGRunPatchBody(note="seen")).note, "seen")

        span = dict(dag_id=HOURLY, from_date=hour, to_date=hour + dt.timedelta(hours=2), reprocess_behavior="completed")
        equal("dry run of a backfill", fills.create_backfill_dry_run(af.BackfillPostBody(**span)).total_entries, 3)
        made = fills.create_backfill(af.BackfillPostBody(**span))
        until("end of the backfill", lambda: fills.get_backfill(made.id).completed_at)
        equal("backfills", any(b.id == made.id for b in fills.list_backfills(HOURLY).backfills), True)
        refused("cancel when it is over", 409, lambda: fills.cancel_backfill(made.id))
        refused("from after to", 422, lambda: fills.create_backfill(af.BackfillPostBody(dag_id=HOURLY, from_date=hour, to_date=hour - dt.timedelta(hours=2))))

        for call in (af.DagStatsApi(c).get_dag_stats, af.EventLogApi(c).get_event_logs, af.JobApi(c).get_jobs, af.PoolApi(c).get_pools, af.ProviderApi(c).get_providers, af.PluginApi(c).get_plugins,
                     af.VariableApi(c).get_variables, af.ConnectionApi(c).get_connections, af.ImportErrorApi(c).get_import_errors, af.DagWarningApi(c).list_dag_warnings):
            equal(call.__name__, call().total_entries >= 0, True)
        equal("source", HOURLY in af.DagSourceApi(c).get_dag_source(HOURLY).content, True)
        equal("versions", af.DagVersionApi(c).get_dag_versions(HOURLY).total_entries, 1)
        refused("config", 403, lambda: af.ConfigApi(c).get_config())


def the_command():
    env = {**os.environ, "AIRFLOW_CLI_TOKEN": login("/auth/token/cli"), "AIRFLOW_HOME": os.environ["TMPDIR"]}

    def run(*args, code=0):
        p = subprocess.run([ctl, *args], env=env, capture_output=True, text=True, timeout=60)
        if p.returncode != code:
            sys.exit(f"airflowctl {' '.join(args)}: exit {p.returncode}\n{p.stdout[-1500:]}\n{p.stderr[-1500:]}")
        return p.stdout

    run("auth", "login", "--api-token", env["AIRFLOW_CLI_TOKEN"], "--api-url", base, "--skip-keyring")
    equal("version --remote", "3.3.2" in run("version", "--remote"), True)
    for output in ("json", "yaml", "plain"):
        equal(f"dags list -o {output}", HOURLY in run("dags", "list", "-o", output), True)
    run("dags", "list", "-o", "table")  # its columns are too narrow for any name
    run("dags", "get", DAILY)
    run("dags", "get-details", DAILY)
    run("dags", "get", "nope", code=1)
    run("dags", "pause", MONTHLY)
    run("dags", "unpause", MONTHLY)
    run("dags", "trigger", HOURLY, "--dag-run-id", "ctl-1", "--logical-date", (hour + dt.timedelta(minutes=5)).isoformat())
    equal("dags trigger", "ctl-2" in run("dags", "trigger", HOURLY, "--dag-run-id", "ctl-2"), True)
    run("dags", "next-execution", DAILY)
    until("a successful run", lambda: "success" in run("dagrun", "get", HOURLY, "ctl-1"))
    equal("dagrun list", "library-1" in run("dagrun", "list", "--dag-id", HOURLY, "--limit", "100", "--state", "success", "-o", "json"), True)
    run("dags", "list-version", DAILY)
    run("dags", "list-warning")
    run("dags", "list-import-errors")
    run("backfill", "create", "--dag-id", DAILY, "--from-date", hour.replace(hour=0).isoformat(), "--to-date", hour.isoformat())
    for what in ("jobs", "pools", "providers", "plugins", "variables", "connections"):
        run(what, "list")
    run("config", "list", code=1)


the_library()
the_command()
print("all as on a real Airflow")
