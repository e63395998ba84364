-- Executions of DAGs. Times are microseconds since the epoch.
CREATE TABLE dag_runs (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    dag_id          TEXT COLLATE "C" NOT NULL,
    task_id         TEXT COLLATE "C" NOT NULL, -- '' = the whole DAG
    run_type        TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL,
    interval_start  BIGINT           NOT NULL,
    interval_end    BIGINT           NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL, -- '' = none
    conf            TEXT             NOT NULL, -- JSON, '' = none
    until_offsets   TEXT             NOT NULL, -- JSON: topic, partition, end offset at acceptance; '' = none
    created_at      BIGINT           NOT NULL,
    started_at      BIGINT,
    ended_at        BIGINT,
    error           TEXT             NOT NULL,
    progress_done   BIGINT           NOT NULL,
    progress_total  BIGINT           NOT NULL,
    progress_unit   TEXT COLLATE "C" NOT NULL
);
-- A second run of the same work attaches to the one that is under way.
CREATE UNIQUE INDEX dag_runs_under_way ON dag_runs (dag_id, task_id, interval_start, interval_end)
    WHERE state IN ('queued', 'running');
CREATE UNIQUE INDEX dag_runs_by_key ON dag_runs (idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX dag_runs_by_dag ON dag_runs (dag_id, created_at, id);
CREATE INDEX dag_runs_by_age ON dag_runs (created_at, id);

CREATE TABLE task_instances (
    run_id     TEXT COLLATE "C" NOT NULL REFERENCES dag_runs (id) ON DELETE CASCADE,
    position   INTEGER          NOT NULL, -- order within the DAG
    task_id    TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    try_number INTEGER          NOT NULL,
    started_at BIGINT,
    ended_at   BIGINT,
    error      TEXT             NOT NULL,
    summary    TEXT             NOT NULL, -- JSON, '' = none
    PRIMARY KEY (run_id, task_id)
);
