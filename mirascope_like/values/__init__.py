"""What is said: messages, their parts, the chunks they arrive in, and what a call may set.

Values are frozen, compare by content, and know nothing of I/O, providers or storage. Their JSON form is in `serial`.
"""
