"""Payloads received over HTTP between runs: stored durably, conformed as in a run, and in force at once.

    receiver = Receiver(settings, store)            # once a process; safe to call from many threads
    receipt = receiver.receive("web", [LiveItem("m-1", {"type": "track", …})], received_at, format="segment")

The HTTP layer authenticates the sender; `Receiver.receive` does everything after that.
"""

from cdp.live.receive import MOST_AT_ONCE, LiveItem, Outcome, Receipt, Receiver, Refusal

__all__ = ["MOST_AT_ONCE", "LiveItem", "Outcome", "Receipt", "Receiver", "Refusal"]
