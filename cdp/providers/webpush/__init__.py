"""Web Push: the push services of browsers."""
