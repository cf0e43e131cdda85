"""Shopify: a shop's orders, customers and checkouts."""
