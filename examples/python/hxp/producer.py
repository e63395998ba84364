"""The way in."""
import gzip
import json
import threading

from .events import event, event_id, stamp
from .http import Caller, Refused


class Outcome:
    """What became of events: counts, and the errors of those that are none, each with the event."""

    def __init__(self):
        self.accepted = self.duplicates = self.rejected = 0
        self.errors = []

    def add(self, answer, events):
        self.accepted += answer.get("accepted", 0)
        self.duplicates += answer.get("duplicates", 0)
        self.rejected += answer.get("rejected", 0)
        for e in answer.get("errors") or []:
            i = e.get("index")
            self.errors.append({**e, "event": events[i] if isinstance(i, int) and 0 <= i < len(events) else None})

    def __repr__(self):
        return f"Outcome(accepted={self.accepted}, duplicates={self.duplicates}, rejected={self.rejected})"


class Producer:
    """Sends events in batches and tries again until hxp has them. Each event has its id before the first try, so one that arrives twice
    counts once. It may be used by several threads.

    emit and add collect; what was collected goes when a batch is full, on flush, and at the end of a with block. send sends at once.
    """

    def __init__(self, url="http://127.0.0.1:9099", source=None, token=None, batch=500, batch_bytes=4 << 20, timeout=30.0, tries=8, **caller):
        self.caller = Caller(url, token, timeout, tries, **caller)
        self.source, self.batch, self.batch_bytes = source, batch, batch_bytes
        self.outcome = Outcome()
        self.lock = threading.Lock()
        self.waiting = []

    def emit(self, kind, timestamp=None, correlation_id=None, id=None, **data):
        """Collect one event: emit("llm_request", model="m", duration_ms=12)."""
        self.add(event(kind, data, self.source, timestamp, correlation_id, id))

    def add(self, e):
        """Collect an event of one's own making."""
        with self.lock:
            self.waiting.append(self._whole(e))
            if len(self.waiting) < self.batch:
                return
        self.flush()

    def flush(self):
        """Send what was collected. On an error it is kept, and the next flush sends it again under the same ids."""
        with self.lock:
            while self.waiting:
                now = self.waiting[: self.batch]
                self._post(now)
                del self.waiting[: len(now)]
        return self.outcome

    def send(self, events):
        """Send events now, and tell what became of them."""
        with self.lock:
            before, self.outcome = self.outcome, Outcome()
            try:
                whole = [self._whole(e) for e in events]
                for i in range(0, len(whole), self.batch):
                    self._post(whole[i : i + self.batch])
                return self.outcome
            finally:
                self.outcome = before

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            self.flush()

    def _whole(self, e):
        """The event with time, source and id."""
        e = dict(e)
        e.setdefault("timestamp", stamp())
        if self.source:
            e.setdefault("source", self.source)
        if not e.get("event_id"):
            e["event_id"] = event_id(e)
        return e

    def _post(self, events):
        """One batch; halves of it where it is too large for hxp."""
        body = "\n".join(json.dumps(e, ensure_ascii=False) for e in events).encode()
        if len(body) > self.batch_bytes and len(events) > 1:
            return self._halves(events)
        headers = {"Content-Type": "application/x-ndjson"}
        if len(body) > 4096:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        try:
            _, _, answer = self.caller.call("POST", "/events", body, headers, taken=(422,))
        except Refused as no:
            if no.status == 413 and len(events) > 1:
                return self._halves(events)
            raise
        self.outcome.add(json.loads(answer), events)

    def _halves(self, events):
        middle = len(events) // 2
        self._post(events[:middle])
        self._post(events[middle:])
