"""Events as hxp takes them."""
import datetime
import hashlib
import json

KINDS = ("llm_request", "user_feedback", "system_metric", "business_event")


def stamp(when=None):
    """A time as RFC 3339 in UTC. when: an aware datetime, seconds since the epoch, a text (kept), or None for now."""
    if isinstance(when, str):
        return when
    if when is None:
        when = datetime.datetime.now(datetime.timezone.utc)
    elif isinstance(when, (int, float)):
        when = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    if when.tzinfo is None:
        raise ValueError(f"{when!r} has no time zone; write datetime.now(timezone.utc)")
    return when.astimezone(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_id(e):
    """The id that follows from what an event says: the same event sent twice, by whatever run of whatever program, counts once."""
    said = {k: e[k] for k in ("event_type", "timestamp", "source", "correlation_id", "data") if e.get(k) is not None}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def event(kind, data, source=None, timestamp=None, correlation_id=None, id=None):
    """One event. Without an id of its own it gets the one that follows from what it says, its time included."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event; the kinds are {', '.join(KINDS)}")
    e = {"event_type": kind, "timestamp": stamp(timestamp), "data": dict(data)}
    if source:
        e["source"] = source
    if correlation_id:
        e["correlation_id"] = correlation_id
    e["event_id"] = id or event_id(e)
    return e
