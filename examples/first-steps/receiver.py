#!/usr/bin/env python3
"""A receiver for a first try: python3 receiver.py [PORT]. It prints what hxp tells people (webhook) and asks for (responses)."""
import http.server
import json
import sys


def say(*words):
    """Writes one line at once: hxp prints to the same terminal, and print writes each word by itself."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "phase" in body:
            say("asked to", body["phase"], body["order"]["action"], body["order"].get("with"))
        else:
            for alert in body.get("alerts", [body]):
                say("told of", alert.get("status"), alert.get("labels", {}).get("alertname"), alert.get("annotations", {}).get("summary"))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8765), Receiver).serve_forever()
