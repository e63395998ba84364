"""Follows events with sseclient-py, which leaves coming back to its caller: follow_sseclient.py URL"""
import json, sys, time, urllib.request

import sseclient

last = None
while True:
    request = urllib.request.Request(sys.argv[1] + "/stream?topics=events", headers={"Last-Event-ID": last} if last else {})
    try:
        with urllib.request.urlopen(request, timeout=40) as response:
            for event in sseclient.SSEClient(response).events():
                m = json.loads(event.data)
                print(m["type"], m.get("topic", ""), json.dumps(m.get("data")), flush=True)
                last = event.id or last
    except Exception as e:      # the line was cut
        print("cut:", e, file=sys.stderr)
    time.sleep(0.2)
