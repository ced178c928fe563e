"""The data types: messages, their content parts, the chunks they arrive in, and the settings of a call.

Values compare by content and are frozen, except `Context` and the dicts (headers, params). They know no provider and no
storage; only `from_file` and `download` do I/O. Their JSON form is in `serialization`.
"""
