"""The data types: messages, their content parts, the chunks they arrive in, and the settings of a call.

Values are frozen, compare by content, and know nothing of I/O, providers or storage. Their JSON form is in
`serialization`.
"""
