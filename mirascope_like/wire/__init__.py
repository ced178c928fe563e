"""Wire protocols: how requests become JSON bodies, and how responses become chunks. No I/O."""
