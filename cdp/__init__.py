"""The vocabulary of the platform: contracts, sources, warehouse and store. Imports no other folder."""

__version__ = "0.1.0"
