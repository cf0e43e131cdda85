"""The profile store: what senders read and what changes live. SQLite embedded, PostgreSQL by URL.

`open_store` gives a `Store`; the modules of this package are functions over one of its connections.
"""

from cdp.store.engine import Connection, Store, open_store

__all__ = ["Connection", "Store", "open_store"]
