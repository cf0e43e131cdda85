"""The HTTP API. It serves from the profile store and never touches the warehouse on the hot path."""
