"""The HTTP API. It serves from the profile store; the hot path never touches the warehouse."""
