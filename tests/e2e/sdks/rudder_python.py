from __future__ import annotations

import sys

from rudderstack.analytics.client import Client

url, write_key = sys.argv[1:]
client = Client(write_key, host=url, upload_size=10, upload_interval=0.1)


def track(numbers: range) -> None:
    for number in numbers:
        client.track("ann", "Song Played", {"number": number})


client.identify("ann", {"email": "ann@example.com", "firstName": "Ann", "city": None, "plan": ""})
client.page("ann", "Docs", "Home")
client.screen("ann", "Docs", "Home")
client.group("ann", "acme", {"name": "Acme"})
client.alias("browser-1", "ann")
track(range(25))
client.flush()
print("sent", flush=True)
sys.stdin.readline()
track(range(25, 50))
client.flush()
client.join()
print("done", flush=True)
