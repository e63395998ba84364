"""Tests of the package hxp against a server of their own: python3 -m unittest discover -s examples/python -t examples/python"""
import datetime
import gzip
import http.server
import json
import threading
import unittest

import hxp
from hxp.http import retry_after


class Stub:
    """A server that answers what it was told, in order, and keeps what came."""

    def __init__(self, *answers):
        self.answers, self.calls = list(answers), []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                stub.calls.append((self.command, self.path, dict(self.headers), body))
                status, headers, answer = stub.answers.pop(0)
                if status is None:  # cut off without a word
                    self.close_connection = True
                    return
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for k, v in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(k, v)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def taken(n, **more):
    return (202, {}, {"accepted": n, "rejected": 0, "duplicates": 0, "errors": [], **more})


class Case(unittest.TestCase):
    def serve(self, *answers):
        stub = Stub(*answers)
        self.addCleanup(stub.close)
        self.slept = []
        return stub

    def producer(self, stub, **options):
        return hxp.Producer(stub.url, source="test", sleep=self.slept.append, **options)


class Events(unittest.TestCase):
    def test_id_follows_from_what_is_said(self):
        a = hxp.event("system_metric", {"cpu_usage": 1, "host": "a"}, timestamp=0)
        b = hxp.event("system_metric", {"host": "a", "cpu_usage": 1}, timestamp="1970-01-01T00:00:00.000000Z")
        self.assertEqual(a, b)
        self.assertNotEqual(a["event_id"], hxp.event("system_metric", {"cpu_usage": 2, "host": "a"}, timestamp=0)["event_id"])
        self.assertNotEqual(a["event_id"], hxp.event("system_metric", {"cpu_usage": 1, "host": "a"}, timestamp=1)["event_id"])
        self.assertEqual(hxp.event("user_feedback", {}, id="mine")["event_id"], "mine")

    def test_times(self):
        zone = datetime.timezone(datetime.timedelta(hours=2))
        e = hxp.event("user_feedback", {}, timestamp=datetime.datetime(2026, 3, 1, 12, 0, tzinfo=zone))
        self.assertEqual(e["timestamp"], "2026-03-01T10:00:00.000000Z")
        with self.assertRaises(ValueError):
            hxp.event("user_feedback", {}, timestamp=datetime.datetime(2026, 3, 1))
        with self.assertRaisesRegex(ValueError, "llm_request"):
            hxp.event("llm_requests_", {})


class Sending(Case):
    def test_batches(self):
        stub = self.serve(taken(2), taken(1))
        with self.producer(stub, batch=2, token="hxp_x_y") as out:
            for i in range(3):
                out.emit("llm_request", model="m", request_id=f"r{i}", timestamp=i)
        self.assertEqual([len(c[3].splitlines()) for c in stub.calls], [2, 1])
        self.assertEqual((out.outcome.accepted, out.waiting), (3, []))
        method, path, headers, body = stub.calls[0]
        self.assertEqual((method, path, headers["Content-Type"], headers["Authorization"]), ("POST", "/events", "application/x-ndjson", "Bearer hxp_x_y"))
        first = json.loads(body.splitlines()[0])
        self.assertEqual((first["source"], first["data"]), ("test", {"model": "m", "request_id": "r0"}))
        self.assertEqual(first["event_id"], hxp.event_id(first))

    def test_tries_again_with_the_same_ids(self):
        stub = self.serve((503, {"Retry-After": "7"}, {"detail": "the broker is full"}), (None, {}, b""), (429, {}, {}), taken(1))
        out = self.producer(stub)
        self.assertEqual(out.send([{"event_type": "system_metric", "data": {"cpu_usage": 75}}]).accepted, 1)
        self.assertEqual(len({c[3] for c in stub.calls}), 1)
        self.assertEqual(len(stub.calls), 4)
        self.assertEqual(self.slept[0], 7.0)
        self.assertTrue(all(0 < s < 1 for s in self.slept[1:]), self.slept)

    def test_gives_up_and_keeps_what_it_has(self):
        stub = self.serve(*[(503, {}, {"detail": "full"})] * 2, taken(1))
        out = self.producer(stub, tries=2)
        out.emit("user_feedback", request_id="r", thumbs="up")
        with self.assertRaisesRegex(hxp.Unavailable, "full"):
            out.flush()
        self.assertEqual(out.flush().accepted, 1)
        self.assertEqual(len({c[3] for c in stub.calls}), 1)

    def test_refusals(self):
        stub = self.serve((401, {}, {"title": "Unauthorized", "detail": "no token"}))
        with self.assertRaises(hxp.Refused) as no:
            self.producer(stub).send([{"event_type": "user_feedback", "data": {}}])
        self.assertEqual((no.exception.status, no.exception.problem["detail"], self.slept), (401, "no token", []))

    def test_errors_name_their_events(self):
        error = {"index": 1, "code": "wrong_type", "pointer": "/data/duration_ms", "detail": "no number"}
        stub = self.serve((207, {}, {"accepted": 1, "rejected": 1, "duplicates": 0, "errors": [error]}), (422, {}, {"accepted": 0, "rejected": 1, "duplicates": 0, "errors": [{**error, "index": 0}]}))
        bad = {"event_type": "llm_request", "data": {"duration_ms": "x"}}
        out = self.producer(stub).send([{"event_type": "llm_request", "data": {"model": "m"}}, bad])
        self.assertEqual((out.accepted, out.rejected, out.errors[0]["code"], out.errors[0]["event"]["data"]), (1, 1, "wrong_type", bad["data"]))
        self.assertEqual(self.producer(stub).send([bad]).errors[0]["event"]["data"], bad["data"])

    def test_halves_what_is_too_large(self):
        stub = self.serve((413, {}, {"detail": "too large"}), taken(1), taken(2))
        out = self.producer(stub).send([{"event_type": "user_feedback", "data": {"request_id": str(i)}} for i in range(3)])
        self.assertEqual((out.accepted, [len(c[3].splitlines()) for c in stub.calls]), (3, [3, 1, 2]))

    def test_packs_large_batches(self):
        stub = self.serve(taken(100))
        self.producer(stub).send([{"event_type": "user_feedback", "data": {"request_id": str(i), "comment": "ä" * 50}} for i in range(100)])
        self.assertEqual(stub.calls[0][2]["Content-Encoding"], "gzip")
        self.assertEqual(json.loads(stub.calls[0][3].splitlines()[99])["data"]["comment"], "ä" * 50)

    def test_retry_after(self):
        self.assertEqual([retry_after(x) for x in (None, "", "3", "-1", "soon")], [None, None, 3.0, 0.0, None])
        self.assertEqual(retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=lambda: 50), 10.0)


class Reading(Case):
    def reader(self, stub):
        return hxp.Reader(stub.url, stub.url, sleep=self.slept.append)

    def test_pages(self):
        stub = self.serve((200, {}, {"rows": [{"requests": 1}], "next_cursor": "c d"}), (200, {}, {"rows": [{"requests": 2}], "next_cursor": None}))
        rows = list(self.reader(stub).aggregations("daily", from_="2026-01-01T00:00:00Z"))
        self.assertEqual([r["requests"] for r in rows], [1, 2])
        self.assertIn("from=2026-01-01T00%3A00%3A00Z", stub.calls[0][1])
        self.assertIn("cursor=c+d", stub.calls[1][1])
        with self.assertRaises(ValueError):
            next(self.reader(stub).aggregations("yearly"))

    def test_windows(self):
        stub = self.serve((200, {}, {"overall": {"requests": 5}}), (200, {}, {"series": [{"metric": "requests", "key": {}, "points": [["t", 1]]}, {"metric": "requests", "key": {"model": "m"}, "points": []}]}))
        r = self.reader(stub)
        self.assertEqual(r.analytics(window=60, model="a b")["overall"]["requests"], 5)
        self.assertEqual(stub.calls[0][1], "/analytics?window=60&model=a+b")
        self.assertEqual(r.series("requests", "a", "b", group_by="model"), {"requests": [["t", 1]], ("requests", "m"): []})

    def test_report(self):
        stub = self.serve((202, {}, {"id": "x/1", "status": "queued"}), (200, {}, {"id": "x/1", "status": "completed"}), (200, {}, b"%PDF-1.7"))
        self.assertEqual(self.reader(stub).report("weekly_summary", "pdf"), b"%PDF-1.7")
        self.assertEqual([c[1] for c in stub.calls], ["/reports/generate", "/reports/x%2F1", "/reports/x%2F1/content"])
        stub = self.serve((201, {}, {"id": "2", "status": "failed", "error": "no data"}))
        with self.assertRaisesRegex(hxp.HxpError, "no data"):
            self.reader(stub).report("test")


if __name__ == "__main__":
    unittest.main()
