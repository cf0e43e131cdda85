"""Products in messages: the catalogue that a run publishes, and which products a message shows to a person."""
