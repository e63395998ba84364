package main

// What the numbers of states mean, with the words of GET /aggregation/status and GET /reports/status.
var states = []mappingText{
	{Text: "1 completed", Color: "green"}, {Text: "2 running", Color: "blue"}, {Text: "0 scheduled", Color: "text"}, {Text: "-1 failed", Color: "red"}, {Text: "-2 disabled", Color: "super-light-yellow"},
}

func graph(title, unit, about string, queries ...query) panel {
	return panel{title: title, kind: "timeseries", unit: unit, about: about, queries: queries}
}

// bad marks from where on a number wants to be looked at.
func (p panel) bad(value float64) panel { p.bounds = []bound{{value, false}}; return p }

// badBelow marks below which value it does.
func (p panel) badBelow(value float64) panel { p.bounds = []bound{{value, true}}; return p }

// share is a number between 0 and 1.
func (p panel) share() panel { p.ratio, p.unit = true, "percentunit"; return p }

// rate is the growth of a counter by the labels.
func rate(metric, by string) query {
	if by == "" {
		return query{"sum(rate(" + metric + "[5m]))", metric}
	}
	return query{"sum by (" + by + ") (rate(" + metric + "[5m]))", "{{" + by + "}}"}
}

// quantiles are the median and the 99th percentile of a histogram.
func quantiles(metric string) []query {
	of := func(q string) string {
		return "histogram_quantile(" + q + ", sum by (le) (rate(" + metric + "_bucket[5m])))"
	}
	return []query{{of("0.5"), "p50"}, {of("0.99"), "p99"}}
}

var boards = []board{
	{file: "batch-processing", title: "Batch Processing and Data Aggregation", about: "How the batch work goes: the board of the specification.", rows: []row{{panels: []panel{
		graph("Batch Processing Success Rate", "percentunit", "Share of the batch work of the last 24 h that succeeded.", query{"batch_processing_success_rate", "Success Rate"}).share().badBelow(0.95),
		graph("Batch Processing Duration", "s", "What the last run of each DAG took.", query{"batch_processing_duration_seconds", "Duration (seconds) {{dag_id}}"}).bad(3600),
		{title: "Data Aggregation Status", kind: "stat", unit: "none", about: "The last aggregation of each period.", words: states, queries: []query{
			{"data_aggregation_hourly_status", "Hourly"}, {"data_aggregation_daily_status", "Daily"}, {"data_aggregation_weekly_status", "Weekly"}, {"data_aggregation_monthly_status", "Monthly"},
		}},
		{title: "Report Generation", kind: "table", unit: "none", about: "The last report of each type.", words: states, queries: []query{{"report_generation_status", "Reports"}}},
	}}}},

	{file: "overview", title: "hxp: services and processes", about: "Whether everything runs, and what it takes.", rows: []row{
		{"Services", []panel{
			{title: "Up", kind: "stat", unit: "none", about: "Whether Prometheus reaches each service.", words: []mappingText{{Text: "1 up", Color: "green"}, {Text: "0 down", Color: "red"}}, queries: []query{{`up{job="hxp"}`, "{{instance}}"}}},
			graph("Requests by status", "reqps", "All services.", rate("hxp_http_requests_total", "code")),
			graph("Slowest routes", "s", "99th percentile of the ten slowest routes; streams are left out.", query{"topk(10, histogram_quantile(0.99, sum by (le, route) (rate(hxp_http_request_duration_seconds_bucket[5m]))))", "{{route}}"}),
		}},
		{"Processes", []panel{
			graph("Memory", "bytes", "Resident memory of each process.", query{`process_resident_memory_bytes{job="hxp"}`, "{{instance}}"}),
			graph("Processor", "none", "Cores in use.", query{`rate(process_cpu_seconds_total{job="hxp"}[5m])`, "{{instance}}"}),
			graph("File handles", "percentunit", "Share of those that a process may open.", query{`process_open_fds{job="hxp"} / process_max_fds{job="hxp"}`, "{{instance}}"}).share().bad(0.8),
			graph("Goroutines", "none", "A number that grows without end is a leak.", query{`go_goroutines{job="hxp"}`, "{{instance}}"}),
			graph("Heap in use", "bytes", "", query{`go_memstats_heap_inuse_bytes{job="hxp"}`, "{{instance}}"}),
			graph("Restarts", "none", "Starts within an hour.", query{`changes(process_start_time_seconds{job="hxp"}[1h])`, "{{instance}}"}).bad(3),
		}},
	}},

	{file: "kafka-api", title: "hxp: kafka-api", about: "The way in: events, dead letters, scraping, the embedded broker.", rows: []row{
		{"Events", []panel{
			graph("Events by outcome", "none", "Events a second that came by HTTP.", rate("ingest_events_total", "outcome")),
			graph("Rejected by reason", "none", "Events a second; the dead letters hold them.", rate("ingest_rejected_total", "code")),
			graph("Time of a request", "s", "From the first byte of the body to the answer.", quantiles("ingest_request_duration_seconds")...),
			graph("Bytes in", "Bps", "As sent.", rate("ingest_bytes_total", "")),
			graph("Throttled by limit", "reqps", "Requests that were answered 429.", rate("ingest_throttled_total", "limit")),
			graph("Open dead letters by reason", "none", "On their topic; hxp dead-letters list shows them.", query{`max by (reason) (dead_letters{state="open"})`, "{{reason}}"}),
		}},
		{"Brokers", []panel{
			graph("Messages kept on disk", "none", "Because the brokers are away.", query{"sum(ingest_held_messages)", "messages"}).bad(1),
			graph("Embedded broker: bytes", "bytes", "Of all its logs.", query{"hxp_broker_bytes", "bytes"}),
			graph("Embedded broker: refused", "none", "Writes because it is full, and connections by the reason.", rate("hxp_broker_refused_writes_total", ""), rate("hxp_broker_refused_connections_total", "reason")),
		}},
		{"System metrics", []panel{
			{title: "Scrape targets", kind: "stat", unit: "none", about: "Whether the last reading was good.", words: []mappingText{{Text: "1 up", Color: "green"}, {Text: "0 down", Color: "red"}}, queries: []query{{"scrape_up", "{{target}}"}}},
			graph("Time of a reading", "s", "", query{"scrape_duration_seconds", "{{target}}"}),
			graph("Remote write by outcome", "none", "Samples a second.", rate("prometheus_samples_total", "outcome")),
		}},
	}},

	{file: "event-processing-api", title: "hxp: event-processing-api", about: "The fast path: windows, joins, rules, objectives, responses.", rows: []row{
		{"Windows", []panel{
			graph("Events counted", "none", "Events a second.", rate("event_processing_total", "")),
			graph("Latency", "s", "From the acknowledged write of an event to its being counted.", quantiles("event_processing_latency_seconds")...).bad(0.05),
			graph("Watermark behind the clock", "s", "Some seconds are meant: events may come out of order.", query{"max(event_processing_watermark_lag_seconds)", "lag"}).bad(300),
			graph("Records behind", "none", "Of the input topics, not counted yet.", query{"max(event_processing_consumer_lag)", "records"}),
			graph("What came in a bad way", "none", "Events a second: late, stamped ahead, known before, no valid event.", rate("events_late_total", ""), rate("events_future_total", ""), rate("event_processing_duplicates_total", ""), rate("event_processing_dead_letters_total", "")),
			graph("Reach of the duplicate filter", "s", "-1 = everything so far.", query{"min(event_processing_duplicate_filter_reach_seconds)", "reach"}),
		}},
		{"Joins", []panel{
			graph("Requests joined", "none", "Requests a second that were closed.", rate("event_correlations_total", "")),
			graph("Completed by", "none", "Who joined the last part: live within the window, stub later.", rate("event_correlations_complete_total", "tier")),
			graph("Open requests", "none", "", query{"sum(event_correlations_open)", "open"}),
		}},
		{"Rules and responses", []panel{
			graph("Alerts that fire", "none", "", query{"max by (severity) (alerts_firing)", "{{severity}}"}),
			graph("Decisions by rule", "none", "A second.", rate("rules_decisions_total", "rule")),
			graph("From event to decision", "s", "", quantiles("rule_decision_latency_seconds")...),
			graph("Clock of the rules behind", "s", "", query{"max(rules_lag_seconds)", "lag"}).bad(60),
			graph("Responses by state", "none", "A second.", rate("responses_total", "state")),
			graph("From event to action", "s", "", quantiles("event_action_latency_seconds")...),
		}},
		{"Objectives", []panel{
			graph("Share of good events", "percentunit", "Over an hour, by objective and model; of the groups of a model, that which is worst.", query{"min by (slo, model) (increase(slo_good_events_total[1h]) / (increase(slo_events_total[1h]) > 0))", "{{slo}} {{model}}"}).share(),
			graph("Events of objectives", "none", "A second, as the instance counts them that counts most.", query{"max by (slo) (sum by (slo, instance) (rate(slo_events_total[5m])))", "{{slo}}"}),
		}},
	}},

	{file: "batch-processing-api", title: "hxp: batch-processing-api", about: "The slow path: lake, aggregates, reports, retention.", rows: []row{
		{"Runs", []panel{
			graph("Completion and success", "percentunit", "Of the last 24 h.", query{"batch_processing_completion_rate", "completion"}, query{"batch_processing_success_rate", "success"}).share().badBelow(0.95),
			graph("Hours that wait to be folded", "none", "Ended hours with data that their aggregate does not count yet.", query{"max(data_aggregation_dirty_periods)", "hours"}),
			graph("Accuracy", "percentunit", "Share of the rows recounted from raw events that were found as stored.", query{"min(data_aggregation_accuracy_ratio)", "accuracy"}).share().badBelow(1),
			graph("Deadlines missed", "none", "Within an hour.", query{"sum by (dag_id) (increase(batch_deadlines_missed_total[1h]))", "{{dag_id}}"}).bad(1),
			graph("Tasks taken from dead owners", "none", "Within an hour.", query{"sum(increase(batch_leases_lost_total[1h]))", "leases"}),
			graph("Reports delivered", "none", "Tries a second, by their end.", rate("report_deliveries_total", "result")),
		}},
		{"Lake", []panel{
			graph("Events published", "none", "Events a second, by topic.", rate("lake_rows_total", "topic")),
			graph("Time to publish", "s", "Write, verify and publish what was buffered.", quantiles("lake_publish_seconds")...),
			graph("Memory of what is not published", "bytes", "", query{"sum(lake_buffered_bytes)", "buffered"}),
			graph("Hours that wait to be compacted", "none", "", query{"max(lake_loose_folders)", "hours"}),
			graph("Compactions by outcome", "none", "A second.", rate("lake_compactions_total", "outcome")),
			graph("Lost and begun again", "none", "Offsets that the log no longer held, and times the lake began again, within an hour.", query{"sum by (topic) (increase(lake_gap_offsets_total[1h]))", "lost of {{topic}}"}, query{"sum(increase(lake_failures_total[1h]))", "begun again"}).bad(1),
		}},
		{"Storage", []panel{
			graph("Storage in use", "percentunit", "Of lake and archive.", query{"max(data_retention_storage_usage)", "used"}).share().bad(0.9),
			graph("What left", "bytes", "Bytes within a day, by class.", query{"sum by (class) (increase(data_retention_bytes_total[1d]))", "{{class}}"}),
			graph("Plans of retention", "none", "Within a day, by outcome.", query{"sum by (outcome) (increase(data_retention_plans_total[1d]))", "{{outcome}}"}),
		}},
	}},

	{file: "data-streaming-api", title: "hxp: data-streaming-api", about: "The way out: streams to screens, and notifications of people.", rows: []row{
		{"Streams", []panel{
			graph("Latency, p99", "s", "To the frame handed to the socket, over the last minute.", query{"max(data_streaming_latency_seconds)", "p99"}).bad(0.1),
			graph("Connections", "none", "", query{"sum(data_streaming_websocket_connections)", "WebSocket"}, query{"sum(data_streaming_sse_connections)", "SSE"}),
			graph("What clients did not take", "none", "A second: ticks as part of a later snapshot, happenings beyond the limit, clients cut.", rate("data_streaming_conflated_total", ""), rate("data_streaming_dropped_total", ""), rate("data_streaming_slow_clients_closed_total", "")),
		}},
		{"Notifications", []panel{
			graph("Tries by end", "none", "A second.", rate("hxp_notifications_total", "result")),
			graph("Delay", "s", "From the decision that somebody is told to when he was.", quantiles("hxp_notifications_delay_seconds")...),
			graph("Messages on their way", "none", "", query{"max(hxp_notifications_pending)", "messages"}),
			graph("Age of the oldest message", "s", "", query{"max(hxp_notifications_oldest_pending_seconds)", "age"}).bad(900),
			graph("Receivers switched off", "none", "Their other side said that it is gone.", query{"max(hxp_notifications_ways_off)", "receivers"}).bad(1),
			graph("Alerts received", "none", "A second, the repeated ones included.", rate("hxp_notifications_alerts_received_total", "")),
		}},
	}},
}
