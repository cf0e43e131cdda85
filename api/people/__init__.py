"""People: profiles, their events and their identity."""
