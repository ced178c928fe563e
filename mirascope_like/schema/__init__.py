"""Python types and functions ↔ JSON Schema. Pydantic is imported when it is first used, not with this package."""
