"""People: profiles, their history, and what they are made of."""
