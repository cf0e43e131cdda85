"""Shopify: orders, customers and checkouts of a shop."""
