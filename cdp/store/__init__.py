"""The profile store: the data that senders read and that changes between runs. SQLite by default, PostgreSQL by URL.

`open_store` returns a `Store`; the functions of this package work on one of its connections.
"""

from cdp.store.engine import Connection, Store, open_store

__all__ = ["Connection", "Store", "open_store"]
