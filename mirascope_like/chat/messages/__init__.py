"""Messages, their parts, and the events of which they are made while they arrive."""
