"""The JSON Schema that each provider accepts, and the values that come back in it."""
