"""The embedded model: a small model that runs on this machine, with its weights, server and prompt format."""
