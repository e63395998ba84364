// Package airflow answers on :8080 as Apache Airflow 3 does, so that Airflow's own clients work against the built-in scheduler.
//
// In come requests under /api/v2 with a token of POST /auth/token, and what the scheduler of the batch room knows, through the
// small interface Scheduler. Out go the bodies that a real Airflow 3.3 sends: every key of a DAG, a run and a task instance
// is there, lists have total_entries, and errors have Airflow's shapes ({"detail": …}, and for a bad field a list of loc, msg
// and type).
//
// Promised:
//   - What is answered is what the scheduler has stored; nothing is kept here but the audit of the last writes.
//   - A run that was cancelled is failed here, because Airflow has no such state; its note says so.
//   - A backfill takes the intervals that start in [from_date, to_date]: the end belongs to it, as in Airflow.
//   - A wrong password, a wrong token and a foreign page get 401, 401 and 403, and tell nothing about which users there are.
//
// The passwords lie in simple_auth_manager_passwords.json.generated and the key of the tokens in jwt_secret, both readable by
// the owner alone. On failure of what lies below, the answer is 500 (or 503 with Retry-After) with a detail, and the log has the cause.
package airflow
