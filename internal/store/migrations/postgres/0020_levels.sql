-- The mergeable cells that the rows of a period were made from, by model and by the other dimensions.
DROP TABLE hourly_states;
CREATE TABLE hourly_states (
    start     BIGINT           NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT COLLATE "C" NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT COLLATE "C" NOT NULL,
    cell      BYTEA            NOT NULL,
    PRIMARY KEY (start, dimension, value)
) PARTITION BY RANGE (start);
CREATE TABLE daily_states (
    start     BIGINT           NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT COLLATE "C" NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT COLLATE "C" NOT NULL,
    cell      BYTEA            NOT NULL,
    PRIMARY KEY (start, dimension, value)
);
CREATE TABLE weekly_states (
    start     BIGINT           NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT COLLATE "C" NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT COLLATE "C" NOT NULL,
    cell      BYTEA            NOT NULL,
    PRIMARY KEY (start, dimension, value)
);
CREATE TABLE monthly_states (
    start     BIGINT           NOT NULL, -- of the period, seconds since the epoch
    dimension TEXT COLLATE "C" NOT NULL, -- model, tenant, endpoint, user_id
    value     TEXT COLLATE "C" NOT NULL,
    cell      BYTEA            NOT NULL,
    PRIMARY KEY (start, dimension, value)
);

-- What an hour holds beside its live raw files: the cells of the raw files that have left.
CREATE TABLE hour_bases (
    hour      BIGINT           NOT NULL, -- seconds since the epoch
    dimension TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    cell      BYTEA            NOT NULL,
    PRIMARY KEY (hour, dimension, value)
);

-- The build of a period rises by one whenever a byte of its cells changes.
ALTER TABLE hour_builds ADD COLUMN build BIGINT NOT NULL DEFAULT 0;
CREATE TABLE period_builds (
    level    TEXT COLLATE "C" NOT NULL, -- daily, weekly, monthly
    start    BIGINT           NOT NULL, -- seconds since the epoch
    build    BIGINT           NOT NULL,
    built_at BIGINT           NOT NULL, -- microseconds since the epoch
    PRIMARY KEY (level, start)
);

-- Which build of each child (hour of a day, day of a week or month) its period was merged from; the period is the one that
-- holds the child. A period is dirty when one of these is not the present build.
CREATE TABLE merged_children (
    level TEXT COLLATE "C" NOT NULL, -- of the period
    child BIGINT           NOT NULL, -- start of the child, seconds since the epoch
    build BIGINT           NOT NULL,
    PRIMARY KEY (level, child)
);

-- One row per period and value of a dimension other than the model; what is too much to keep apart is under __other__.
CREATE TABLE hourly_dimensions (
    timestamp            TIMESTAMPTZ      NOT NULL,
    dimension            TEXT COLLATE "C" NOT NULL,
    value                TEXT COLLATE "C" NOT NULL,
    requests             BIGINT           NOT NULL,
    errors               BIGINT           NOT NULL,
    error_rate           DOUBLE PRECISION,
    throughput_rps       DOUBLE PRECISION,
    latency_avg_ms       DOUBLE PRECISION,
    latency_p50_ms       DOUBLE PRECISION,
    latency_p95_ms       DOUBLE PRECISION,
    latency_p99_ms       DOUBLE PRECISION,
    ttft_p50_ms          DOUBLE PRECISION,
    ttft_p95_ms          DOUBLE PRECISION,
    prompt_tokens        BIGINT           NOT NULL,
    completion_tokens    BIGINT           NOT NULL,
    total_tokens         BIGINT           NOT NULL,
    unique_users         BIGINT           NOT NULL,
    feedback_count       BIGINT           NOT NULL,
    user_satisfaction    DOUBLE PRECISION,
    business_events      BIGINT           NOT NULL,
    business_value_usd   DOUBLE PRECISION,
    cost_usd             DOUBLE PRECISION,
    cpu_usage            DOUBLE PRECISION,
    memory_usage         DOUBLE PRECISION,
    gpu_usage            DOUBLE PRECISION,
    capacity_utilization DOUBLE PRECISION,
    events               BIGINT           NOT NULL,
    late_events          BIGINT           NOT NULL,
    completeness         DOUBLE PRECISION,
    updated_at           TIMESTAMPTZ      NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
) PARTITION BY RANGE (timestamp);
CREATE TABLE daily_dimensions (
    timestamp            TIMESTAMPTZ      NOT NULL,
    dimension            TEXT COLLATE "C" NOT NULL,
    value                TEXT COLLATE "C" NOT NULL,
    requests             BIGINT           NOT NULL,
    errors               BIGINT           NOT NULL,
    error_rate           DOUBLE PRECISION,
    throughput_rps       DOUBLE PRECISION,
    latency_avg_ms       DOUBLE PRECISION,
    latency_p50_ms       DOUBLE PRECISION,
    latency_p95_ms       DOUBLE PRECISION,
    latency_p99_ms       DOUBLE PRECISION,
    ttft_p50_ms          DOUBLE PRECISION,
    ttft_p95_ms          DOUBLE PRECISION,
    prompt_tokens        BIGINT           NOT NULL,
    completion_tokens    BIGINT           NOT NULL,
    total_tokens         BIGINT           NOT NULL,
    unique_users         BIGINT           NOT NULL,
    feedback_count       BIGINT           NOT NULL,
    user_satisfaction    DOUBLE PRECISION,
    business_events      BIGINT           NOT NULL,
    business_value_usd   DOUBLE PRECISION,
    cost_usd             DOUBLE PRECISION,
    cpu_usage            DOUBLE PRECISION,
    memory_usage         DOUBLE PRECISION,
    gpu_usage            DOUBLE PRECISION,
    capacity_utilization DOUBLE PRECISION,
    events               BIGINT           NOT NULL,
    late_events          BIGINT           NOT NULL,
    completeness         DOUBLE PRECISION,
    updated_at           TIMESTAMPTZ      NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
);
CREATE TABLE weekly_dimensions (
    timestamp            TIMESTAMPTZ      NOT NULL,
    dimension            TEXT COLLATE "C" NOT NULL,
    value                TEXT COLLATE "C" NOT NULL,
    requests             BIGINT           NOT NULL,
    errors               BIGINT           NOT NULL,
    error_rate           DOUBLE PRECISION,
    throughput_rps       DOUBLE PRECISION,
    latency_avg_ms       DOUBLE PRECISION,
    latency_p50_ms       DOUBLE PRECISION,
    latency_p95_ms       DOUBLE PRECISION,
    latency_p99_ms       DOUBLE PRECISION,
    ttft_p50_ms          DOUBLE PRECISION,
    ttft_p95_ms          DOUBLE PRECISION,
    prompt_tokens        BIGINT           NOT NULL,
    completion_tokens    BIGINT           NOT NULL,
    total_tokens         BIGINT           NOT NULL,
    unique_users         BIGINT           NOT NULL,
    feedback_count       BIGINT           NOT NULL,
    user_satisfaction    DOUBLE PRECISION,
    business_events      BIGINT           NOT NULL,
    business_value_usd   DOUBLE PRECISION,
    cost_usd             DOUBLE PRECISION,
    cpu_usage            DOUBLE PRECISION,
    memory_usage         DOUBLE PRECISION,
    gpu_usage            DOUBLE PRECISION,
    capacity_utilization DOUBLE PRECISION,
    events               BIGINT           NOT NULL,
    late_events          BIGINT           NOT NULL,
    completeness         DOUBLE PRECISION,
    updated_at           TIMESTAMPTZ      NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
);
CREATE TABLE monthly_dimensions (
    timestamp            TIMESTAMPTZ      NOT NULL,
    dimension            TEXT COLLATE "C" NOT NULL,
    value                TEXT COLLATE "C" NOT NULL,
    requests             BIGINT           NOT NULL,
    errors               BIGINT           NOT NULL,
    error_rate           DOUBLE PRECISION,
    throughput_rps       DOUBLE PRECISION,
    latency_avg_ms       DOUBLE PRECISION,
    latency_p50_ms       DOUBLE PRECISION,
    latency_p95_ms       DOUBLE PRECISION,
    latency_p99_ms       DOUBLE PRECISION,
    ttft_p50_ms          DOUBLE PRECISION,
    ttft_p95_ms          DOUBLE PRECISION,
    prompt_tokens        BIGINT           NOT NULL,
    completion_tokens    BIGINT           NOT NULL,
    total_tokens         BIGINT           NOT NULL,
    unique_users         BIGINT           NOT NULL,
    feedback_count       BIGINT           NOT NULL,
    user_satisfaction    DOUBLE PRECISION,
    business_events      BIGINT           NOT NULL,
    business_value_usd   DOUBLE PRECISION,
    cost_usd             DOUBLE PRECISION,
    cpu_usage            DOUBLE PRECISION,
    memory_usage         DOUBLE PRECISION,
    gpu_usage            DOUBLE PRECISION,
    capacity_utilization DOUBLE PRECISION,
    events               BIGINT           NOT NULL,
    late_events          BIGINT           NOT NULL,
    completeness         DOUBLE PRECISION,
    updated_at           TIMESTAMPTZ      NOT NULL,
    PRIMARY KEY (timestamp, dimension, value)
);
