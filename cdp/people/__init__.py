"""People: finding a person by identifiers, their published document, and the live layer on top of it."""
