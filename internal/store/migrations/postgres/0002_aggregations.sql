-- One row per period and model, and the row _all; timestamp is the start of the period. The tables of the hours lie in
-- partitions of a month (UTC), which are added when they are needed.
CREATE TABLE hourly_aggregations (
    timestamp            TIMESTAMPTZ      NOT NULL,
    model                TEXT COLLATE "C" NOT NULL,
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
    PRIMARY KEY (timestamp, model)
) PARTITION BY RANGE (timestamp);

CREATE TABLE daily_aggregations (
    timestamp            TIMESTAMPTZ      NOT NULL,
    model                TEXT COLLATE "C" NOT NULL,
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
    PRIMARY KEY (timestamp, model)
);

CREATE TABLE weekly_aggregations (
    timestamp            TIMESTAMPTZ      NOT NULL,
    model                TEXT COLLATE "C" NOT NULL,
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
    PRIMARY KEY (timestamp, model)
);

CREATE TABLE monthly_aggregations (
    timestamp            TIMESTAMPTZ      NOT NULL,
    model                TEXT COLLATE "C" NOT NULL,
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
    PRIMARY KEY (timestamp, model)
);

-- The mergeable cell that each hourly row was made from.
CREATE TABLE hourly_states (
    hour    BIGINT           NOT NULL, -- seconds since the epoch
    model   TEXT COLLATE "C" NOT NULL,
    version BIGINT           NOT NULL, -- version of the hour that the cell was last changed by
    cell    BYTEA            NOT NULL,
    PRIMARY KEY (hour, model)
) PARTITION BY RANGE (hour);

-- What each hour's aggregate was folded from; an hour is dirty when the sum of its hour_versions differs.
CREATE TABLE hour_builds (
    hour       BIGINT NOT NULL PRIMARY KEY,
    built_from BIGINT NOT NULL,
    built_at   BIGINT NOT NULL  -- microseconds since the epoch; when built_from was reached
);
