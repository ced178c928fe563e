"""Python types and functions ↔ JSON Schema. Pydantic is loaded here at first use, and only here and in
`types.result_text`."""
