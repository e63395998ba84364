-- Runs get what a scheduler of several instances needs. Nothing was released with the tables of 0003, so they are made anew.
-- Times are microseconds since the epoch. Yes and no are 1 and 0.
DROP TABLE task_instances;
DROP TABLE dag_runs;

-- What is remembered of each DAG; its definition is in the program.
CREATE TABLE dags (
    dag_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    paused     BIGINT NOT NULL,
    next_start BIGINT NOT NULL -- start of the first interval that has no scheduled run yet
);

-- Many runs that were asked for together. State and counts are those of their runs.
CREATE TABLE backfills (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id          TEXT COLLATE "C" NOT NULL,
    from_time       BIGINT NOT NULL,
    to_time         BIGINT NOT NULL, -- exclusive
    reprocess       TEXT COLLATE "C" NOT NULL,
    backwards       BIGINT NOT NULL,
    paused          BIGINT NOT NULL,
    max_active_runs BIGINT NOT NULL,
    conf            TEXT NOT NULL, -- JSON, '' = none
    triggered_by    TEXT COLLATE "C" NOT NULL,
    user_name       TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    cancelled_at    BIGINT
);

CREATE TABLE dag_runs (
    id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    run_id             TEXT COLLATE "C" NOT NULL, -- as Airflow spells it
    dag_id             TEXT COLLATE "C" NOT NULL,
    task_id            TEXT COLLATE "C" NOT NULL, -- '' = the whole DAG
    run_type           TEXT COLLATE "C" NOT NULL,
    state              TEXT COLLATE "C" NOT NULL,
    interval_start     BIGINT NOT NULL,
    interval_end       BIGINT NOT NULL,
    logical_date       BIGINT,
    triggered_by       TEXT COLLATE "C" NOT NULL,
    user_name          TEXT NOT NULL,
    note               TEXT NOT NULL,
    backfill_id        BIGINT NOT NULL, -- 0 = none
    conf               TEXT NOT NULL, -- JSON, '' = none
    idempotency_key    TEXT COLLATE "C" NOT NULL, -- '' = none
    until_offsets      TEXT NOT NULL, -- JSON: topic, partition, end offset when asked for; '' = found out by the first task
    raised             BIGINT NOT NULL, -- how often until_offsets was raised by those who attached
    counted            BIGINT NOT NULL, -- of raised: what the first task has counted
    run_after          BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    queued_at          BIGINT,
    started_at         BIGINT,
    ended_at           BIGINT,
    timeout_at         BIGINT, -- when a running run is failed
    deadline_at        BIGINT, -- when it should have succeeded
    deadline_missed_at BIGINT,
    error              TEXT NOT NULL,
    progress_done      BIGINT NOT NULL,
    progress_total     BIGINT NOT NULL,
    progress_unit      TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX dag_runs_by_run_id ON dag_runs (dag_id, run_id);
-- One scheduled run for each interval, whoever is first.
CREATE UNIQUE INDEX dag_runs_scheduled ON dag_runs (dag_id, interval_start) WHERE run_type = 'scheduled';
CREATE UNIQUE INDEX dag_runs_by_key ON dag_runs (idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX dag_runs_under_way ON dag_runs (dag_id, created_at) WHERE state IN ('queued', 'running');
CREATE INDEX dag_runs_by_interval ON dag_runs (dag_id, interval_start);
CREATE INDEX dag_runs_by_dag ON dag_runs (dag_id, created_at, id);
CREATE INDEX dag_runs_by_age ON dag_runs (created_at, id);
CREATE INDEX dag_runs_by_backfill ON dag_runs (backfill_id, state) WHERE backfill_id <> 0;

CREATE TABLE task_instances (
    run_id        TEXT COLLATE "C" NOT NULL REFERENCES dag_runs (id) ON DELETE CASCADE,
    position      BIGINT NOT NULL, -- order within the run
    task_id       TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,
    try_number    BIGINT NOT NULL,
    max_tries     BIGINT NOT NULL,
    queued_at     BIGINT,
    next_try_at   BIGINT,
    started_at    BIGINT,
    ended_at      BIGINT,
    error         TEXT NOT NULL,
    summary       TEXT NOT NULL, -- JSON, '' = none
    lease_owner   TEXT COLLATE "C" NOT NULL, -- who executes it, or did last
    lease_expires BIGINT,
    fence         BIGINT NOT NULL, -- grows with each claim; a result counts only under the fence of its claim
    PRIMARY KEY (run_id, task_id)
);
CREATE INDEX task_instances_under_way ON task_instances (state, run_id) WHERE state IN ('queued', 'up_for_retry', 'running');

CREATE TABLE task_logs (
    run_id     TEXT COLLATE "C" NOT NULL REFERENCES dag_runs (id) ON DELETE CASCADE,
    task_id    TEXT COLLATE "C" NOT NULL,
    try_number BIGINT NOT NULL,
    line       BIGINT NOT NULL,
    logged_at  BIGINT NOT NULL,
    level      TEXT COLLATE "C" NOT NULL,
    event      TEXT NOT NULL,
    PRIMARY KEY (run_id, task_id, try_number, line)
);
CREATE INDEX task_logs_by_age ON task_logs (logged_at);

-- Signs of life of the instances that schedule and execute.
CREATE TABLE schedulers (
    instance   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL
);
