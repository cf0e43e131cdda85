"""What the tables of content hold of people: nothing."""

from __future__ import annotations

from cdp.store.manifest import Lines, Manifest, columns

MANIFEST: Manifest = {"template_versions": Lines("keep", columns(none="name version document first_used_at"))}
