"""Prompts, and what they are made of: arguments, templates, fragments, and a short notation for schemas."""
