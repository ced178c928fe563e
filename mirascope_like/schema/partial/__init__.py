"""Partial values of JSON that is still arriving."""
