-- +goose Up

-- One row per period and model, and the row _all. timestamp (start of the period) and updated_at are RFC 3339 text in UTC,
-- because people read these tables; it sorts by time.
CREATE TABLE hourly_aggregations (
    timestamp            TEXT NOT NULL,
    model                TEXT NOT NULL,
    requests             INTEGER NOT NULL,
    errors               INTEGER NOT NULL,
    error_rate           REAL,
    throughput_rps       REAL,
    latency_avg_ms       REAL,
    latency_p50_ms       REAL,
    latency_p95_ms       REAL,
    latency_p99_ms       REAL,
    ttft_p50_ms          REAL,
    ttft_p95_ms          REAL,
    prompt_tokens        INTEGER NOT NULL,
    completion_tokens    INTEGER NOT NULL,
    total_tokens         INTEGER NOT NULL,
    unique_users         INTEGER NOT NULL,
    feedback_count       INTEGER NOT NULL,
    user_satisfaction    REAL,
    business_events      INTEGER NOT NULL,
    business_value_usd   REAL,
    cost_usd             REAL,
    cpu_usage            REAL,
    memory_usage         REAL,
    gpu_usage            REAL,
    capacity_utilization REAL,
    events               INTEGER NOT NULL,
    late_events          INTEGER NOT NULL,
    completeness         REAL,
    updated_at           TEXT NOT NULL,
    PRIMARY KEY (timestamp, model)
) WITHOUT ROWID;

CREATE TABLE daily_aggregations (
    timestamp            TEXT NOT NULL,
    model                TEXT NOT NULL,
    requests             INTEGER NOT NULL,
    errors               INTEGER NOT NULL,
    error_rate           REAL,
    throughput_rps       REAL,
    latency_avg_ms       REAL,
    latency_p50_ms       REAL,
    latency_p95_ms       REAL,
    latency_p99_ms       REAL,
    ttft_p50_ms          REAL,
    ttft_p95_ms          REAL,
    prompt_tokens        INTEGER NOT NULL,
    completion_tokens    INTEGER NOT NULL,
    total_tokens         INTEGER NOT NULL,
    unique_users         INTEGER NOT NULL,
    feedback_count       INTEGER NOT NULL,
    user_satisfaction    REAL,
    business_events      INTEGER NOT NULL,
    business_value_usd   REAL,
    cost_usd             REAL,
    cpu_usage            REAL,
    memory_usage         REAL,
    gpu_usage            REAL,
    capacity_utilization REAL,
    events               INTEGER NOT NULL,
    late_events          INTEGER NOT NULL,
    completeness         REAL,
    updated_at           TEXT NOT NULL,
    PRIMARY KEY (timestamp, model)
) WITHOUT ROWID;

CREATE TABLE weekly_aggregations (
    timestamp            TEXT NOT NULL,
    model                TEXT NOT NULL,
    requests             INTEGER NOT NULL,
    errors               INTEGER NOT NULL,
    error_rate           REAL,
    throughput_rps       REAL,
    latency_avg_ms       REAL,
    latency_p50_ms       REAL,
    latency_p95_ms       REAL,
    latency_p99_ms       REAL,
    ttft_p50_ms          REAL,
    ttft_p95_ms          REAL,
    prompt_tokens        INTEGER NOT NULL,
    completion_tokens    INTEGER NOT NULL,
    total_tokens         INTEGER NOT NULL,
    unique_users         INTEGER NOT NULL,
    feedback_count       INTEGER NOT NULL,
    user_satisfaction    REAL,
    business_events      INTEGER NOT NULL,
    business_value_usd   REAL,
    cost_usd             REAL,
    cpu_usage            REAL,
    memory_usage         REAL,
    gpu_usage            REAL,
    capacity_utilization REAL,
    events               INTEGER NOT NULL,
    late_events          INTEGER NOT NULL,
    completeness         REAL,
    updated_at           TEXT NOT NULL,
    PRIMARY KEY (timestamp, model)
) WITHOUT ROWID;

CREATE TABLE monthly_aggregations (
    timestamp            TEXT NOT NULL,
    model                TEXT NOT NULL,
    requests             INTEGER NOT NULL,
    errors               INTEGER NOT NULL,
    error_rate           REAL,
    throughput_rps       REAL,
    latency_avg_ms       REAL,
    latency_p50_ms       REAL,
    latency_p95_ms       REAL,
    latency_p99_ms       REAL,
    ttft_p50_ms          REAL,
    ttft_p95_ms          REAL,
    prompt_tokens        INTEGER NOT NULL,
    completion_tokens    INTEGER NOT NULL,
    total_tokens         INTEGER NOT NULL,
    unique_users         INTEGER NOT NULL,
    feedback_count       INTEGER NOT NULL,
    user_satisfaction    REAL,
    business_events      INTEGER NOT NULL,
    business_value_usd   REAL,
    cost_usd             REAL,
    cpu_usage            REAL,
    memory_usage         REAL,
    gpu_usage            REAL,
    capacity_utilization REAL,
    events               INTEGER NOT NULL,
    late_events          INTEGER NOT NULL,
    completeness         REAL,
    updated_at           TEXT NOT NULL,
    PRIMARY KEY (timestamp, model)
) WITHOUT ROWID;

-- The mergeable cell that each hourly row was made from.
CREATE TABLE hourly_states (
    hour    INTEGER NOT NULL, -- seconds since the epoch
    model   TEXT    NOT NULL,
    version INTEGER NOT NULL, -- version of the hour that the cell was last changed by
    cell    BLOB    NOT NULL,
    PRIMARY KEY (hour, model)
);

-- What each hour's aggregate was folded from; an hour is dirty when the sum of its hour_versions differs.
CREATE TABLE hour_builds (
    hour       INTEGER NOT NULL PRIMARY KEY,
    built_from INTEGER NOT NULL,
    built_at   INTEGER NOT NULL  -- microseconds since the epoch; when built_from was reached
);

-- +goose Down
DROP TABLE hour_builds;
DROP TABLE hourly_states;
DROP TABLE monthly_aggregations;
DROP TABLE weekly_aggregations;
DROP TABLE daily_aggregations;
DROP TABLE hourly_aggregations;
