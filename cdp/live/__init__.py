"""What arrives over HTTP, between runs: received durably, conformed as a run conforms it, and in force at once.

    receiver = Receiver(settings, store)            # once a process; safe to call from many threads
    receipt = receiver.receive("web", [LiveItem("m-1", {"type": "track", …})], received_at, format="segment")

The HTTP parts verify who sends; everything after that is `Receiver.receive`.
"""

from cdp.live.receive import LiveItem, Receipt, Receiver

__all__ = ["LiveItem", "Receipt", "Receiver"]
