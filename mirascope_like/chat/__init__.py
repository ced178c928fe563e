"""The lazy face: a response is a promise of an answer, and nothing is sent until it is read."""
