"""Models: those of providers, those that users write, and their names."""
