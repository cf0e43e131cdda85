"""Sending: a message, whatever the channel, sent once and tracked to its end.

Deciding, claiming the offer, writing the message and enqueuing its work are one transaction (`accepting.py`). A worker
asks the gates again, writes the attempt as started, commits, and only then calls the provider (`dispatching.py`): no
transaction is open during a call, and what became of a broken one is never guessed. Receipts move a message forward
(`receipts.py`, `states.py`), and its next channel is tried if it failed or stayed silent (`fallbacks.py`).
"""
