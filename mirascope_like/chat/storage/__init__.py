"""JSON forms of chats, and the way back from them, from pauses and from logs."""
