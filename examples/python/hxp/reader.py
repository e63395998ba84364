"""The ways out that a program asks: live windows, stored aggregates, costs, reports."""
import time
import urllib.parse

from .http import Caller, HxpError

LEVELS = ("hourly", "daily", "weekly", "monthly")


def query(path, **parameters):
    """A path with the parameters that are given; from_ stands for from."""
    given = {k.rstrip("_"): v for k, v in parameters.items() if v is not None}
    return path + ("?" + urllib.parse.urlencode(given) if given else "")


class Reader:
    """Asks hxp. Numbers that are not known are None, never 0."""

    def __init__(self, live="http://127.0.0.1:9100", batch="http://127.0.0.1:9101", token=None, timeout=60.0, tries=4, sleep=time.sleep):
        self.live = Caller(live, token, timeout, tries, sleep)
        self.batch = Caller(batch, token, timeout, tries, sleep)
        self.sleep = sleep

    def analytics(self, window=None, at=None, group_by=None, **filters):
        """One window of the live stream: its overall numbers and those of groups. filters: model="m", tenant="t"."""
        return self._get(self.live, query("/analytics", window=window, at=at, group_by=group_by, **filters))

    def series(self, metric, from_, to, step=60, group_by=None, **filters):
        """Numbers over time: {name: [[time, value], …]} of a metric such as "latency_ms.p95", "requests,errors"; with group_by {(name, value): …}."""
        a = self._get(self.live, query("/analytics/series", metric=metric, from_=from_, to=to, step=step, group_by=group_by, **filters))
        return {(s["metric"], *s["key"].values()) if s["key"] else s["metric"]: s["points"] for s in a["series"]}

    def aggregations(self, level="hourly", from_=None, to=None, model="_all"):
        """The stored rows of a level, all pages of them, one dict a period and model. model "*" is every model."""
        if level not in LEVELS:
            raise ValueError(f"{level!r} is none of {', '.join(LEVELS)}")
        cursor = None
        while True:
            page = self._get(self.batch, query("/aggregations/" + level, from_=from_, to=to, model=model, limit=1000, cursor=cursor))
            yield from page["rows"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def costs(self, from_=None, to=None, group_by=None):
        """What requests cost, by model, tenant, user_id, …"""
        return self._get(self.batch, query("/costs", from_=from_, to=to, group_by=group_by))

    def report(self, report_type, format="json", start=None, end=None, patience=300.0):
        """Have a report made and fetch it, as bytes. Without a period it is about the last complete one."""
        body = {"report_type": report_type, "format": format}
        if start or end:
            body["period"] = {"start": start, "end": end}
        _, _, made = self.batch.json("POST", "/reports/generate", body)
        waited, pause = 0.0, 0.1
        while made["status"] in ("queued", "running"):
            if waited > patience:
                raise HxpError(f"report {made['id']} is not ready after {patience:.0f} s")
            self.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, 2.0)
            made = self._get(self.batch, "/reports/" + urllib.parse.quote(made["id"], safe=""))
        if made["status"] != "completed":
            raise HxpError(f"report {made['id']} is {made['status']}: {made.get('error') or 'no reason given'}")
        return self.batch.call("GET", f"/reports/{urllib.parse.quote(made['id'], safe='')}/content")[2]

    @staticmethod
    def _get(caller, path):
        return caller.json("GET", path)[2]
