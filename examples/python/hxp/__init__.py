"""Send events to hxp and read what it makes of them.

Python 3.9 or newer and its standard library, nothing else. Copy the folder `hxp` beside your program.

    import hxp

    with hxp.Producer("http://127.0.0.1:9099", source="shop") as out:
        out.emit("llm_request", model="mixtral-8x7b", request_id="r-1", duration_ms=840, prompt_tokens=120, completion_tokens=64, success=True)
        out.emit("user_feedback", request_id="r-1", satisfaction_score=5)

    reader = hxp.Reader()
    print(reader.analytics(window=300, group_by="model")["overall"]["latency_ms"]["p95"])
    for row in reader.aggregations("hourly", model="_all"):
        print(row["timestamp"], row["requests"], row["cost_usd"])
"""
from .events import KINDS, event, event_id
from .http import HxpError, Refused, Unavailable
from .producer import Outcome, Producer
from .reader import Reader

__all__ = ["KINDS", "HxpError", "Outcome", "Producer", "Reader", "Refused", "Unavailable", "event", "event_id"]
