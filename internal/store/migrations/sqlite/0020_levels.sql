-- The mergeable cells that the rows of a period were made from, by model and by the other dimensions.
DROP TABLE hourly_states;
CREATE TABLE hourly_states (
    start     INTEGER NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT    NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT    NOT NULL,
    cell      BLOB    NOT NULL,
    PRIMARY KEY (start, dimension, value)
);
CREATE TABLE daily_states (
    start     INTEGER NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT    NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT    NOT NULL,
    cell      BLOB    NOT NULL,
    PRIMARY KEY (start, dimension, value)
);
CREATE TABLE weekly_states (
    start     INTEGER NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT    NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT    NOT NULL,
    cell      BLOB    NOT NULL,
    PRIMARY KEY (start, dimension, value)
);
CREATE TABLE monthly_states (
    start     INTEGER NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT    NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT    NOT NULL,
    cell      BLOB    NOT NULL,
    PRIMARY KEY (start, dimension, value)
);

-- What an hour holds beside its live raw files: the cells of the raw files that have left.
CREATE TABLE hour_bases (
    hour      INTEGER NOT NULL, -- seconds since the epoch
    dimension TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    cell      BLOB    NOT NULL,
    PRIMARY KEY (hour, dimension, value)
);

-- The build of a period rises by one whenever a byte of its cells changes.
ALTER TABLE hour_builds ADD COLUMN build INTEGER NOT NULL DEFAULT 0;
CREATE TABLE period_builds (
    level    TEXT    NOT NULL, -- daily, weekly, monthly
    start    INTEGER NOT NULL, -- seconds since the epoch
    build    INTEGER NOT NULL,
    built_at INTEGER NOT NULL, -- microseconds since the epoch
    PRIMARY KEY (level, start)
);

-- Which build of each child (hour of a day, day of a week or month) its period was merged from; the period is the one that
-- holds the child. A period is dirty when one of these is not the present build.
CREATE TABLE merged_children (
    level TEXT    NOT NULL, -- of the period
    child INTEGER NOT NULL, -- start of the child, seconds since the epoch
    build INTEGER NOT NULL,
    PRIMARY KEY (level, child)
);

-- One row per period and value of a dimension other than the model; what is too much to keep apart is under __other__.
CREATE TABLE hourly_dimensions (
    timestamp            TEXT    NOT NULL,
    dimension            TEXT    NOT NULL,
    value                TEXT    NOT NULL,
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
    updated_at           TEXT    NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
) WITHOUT ROWID;
CREATE TABLE daily_dimensions (
    timestamp            TEXT    NOT NULL,
    dimension            TEXT    NOT NULL,
    value                TEXT    NOT NULL,
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
    updated_at           TEXT    NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
) WITHOUT ROWID;
CREATE TABLE weekly_dimensions (
    timestamp            TEXT    NOT NULL,
    dimension            TEXT    NOT NULL,
    value                TEXT    NOT NULL,
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
    updated_at           TEXT    NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
) WITHOUT ROWID;
CREATE TABLE monthly_dimensions (
    timestamp            TEXT    NOT NULL,
    dimension            TEXT    NOT NULL,
    value                TEXT    NOT NULL,
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
    updated_at           TEXT    NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
) WITHOUT ROWID;
