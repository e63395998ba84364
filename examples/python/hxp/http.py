"""One request to hxp, tried again where that helps."""
import email.utils
import http.client
import json
import random
import time
import urllib.error
import urllib.request

AGAIN = (429, 502, 503, 504)  # hxp is busy, full, or not there yet
LONGEST = 60.0  # seconds between two tries, whatever Retry-After says


class HxpError(Exception):
    """What hxp, or the way to it, says against a request."""


class Refused(HxpError):
    """hxp will not take this request as it is. status and problem (RFC 9457) say why."""

    def __init__(self, status, problem):
        self.status, self.problem = status, problem
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'no reason given'}")


class Unavailable(HxpError):
    """hxp did not take the request in all tries. What was sent may have arrived all the same: send it again with the same ids."""


def retry_after(text, now=time.time):
    """Seconds of a header Retry-After: a number or a date; None for none."""
    if not text:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - now(), 0.0)
    except (TypeError, ValueError):
        return None


def problem_of(body):
    """A problem document as a dict, whatever came."""
    try:
        p = json.loads(body)
    except ValueError:
        p = None
    return p if isinstance(p, dict) else {"detail": body[:200].decode("utf-8", "replace")}


class Caller:
    """Speaks HTTP with one service of hxp."""

    def __init__(self, url, token=None, timeout=30.0, tries=8, sleep=time.sleep):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no address such as http://127.0.0.1:9099")
        self.url, self.timeout, self.tries, self.sleep = url.rstrip("/"), timeout, tries, sleep
        self.headers = {"Authorization": "Bearer " + token} if token else {}

    def call(self, method, path, body=None, headers=None, taken=()):
        """(status, headers, bytes). Statuses of taken are answers like any of 2xx; others raise Refused, and Unavailable in the end."""
        last = None
        for n in range(self.tries):
            request = urllib.request.Request(self.url + path, body, {**self.headers, **(headers or {})}, method=method)
            wait = None
            try:
                with urllib.request.urlopen(request, timeout=self.timeout) as r:
                    return r.status, r.headers, r.read()
            except urllib.error.HTTPError as e:
                with e:
                    text = e.read()
                if e.code in taken:
                    return e.code, e.headers, text
                if e.code not in AGAIN:
                    raise Refused(e.code, problem_of(text)) from None
                wait, last = retry_after(e.headers.get("Retry-After")), Refused(e.code, problem_of(text))
            except (OSError, http.client.HTTPException) as e:  # away, or gone in the middle of an answer
                last = e
            if n + 1 < self.tries:
                # Grown by chance, so that many clients do not come back at once.
                grown = min(0.1 * 2**n, 10.0) * (0.5 + random.random() / 2)
                self.sleep(min(max(grown, wait or 0.0), LONGEST))
        raise Unavailable(f"{method} {self.url}{path}: no answer in {self.tries} tries; the last: {last}") from last

    def json(self, method, path, body=None, taken=()):
        """call with JSON in and out: (status, headers, answer)."""
        data = None if body is None else json.dumps(body).encode()
        status, headers, text = self.call(method, path, data, {"Content-Type": "application/json"} if data else None, taken)
        return status, headers, json.loads(text) if text else None
