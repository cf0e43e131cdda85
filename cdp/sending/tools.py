"""What sending needs besides the store: made once, passed to the handlers of its work."""

from __future__ import annotations

from dataclasses import dataclass

from cdp.consent.links import UnsubscribeLinks
from cdp.content.library import Library
from cdp.content.versions import Versions
from cdp.decision.policy import Policy
from cdp.sending.post import PostOffice


@dataclass(frozen=True)
class Tools:
    """The templates and the brand, the policy, the links that messages carry, the providers, our own URL, and the
    versions of templates that messages wait with.
    """

    library: Library
    policy: Policy
    unsubscribing: UnsubscribeLinks
    post: PostOffice
    public_url: str
    versions: Versions

    def close(self) -> None:
        """Close the connections to providers."""
        self.post.close()
