"""Control flow, written once.

The engine is coroutines. All that touches the world goes through a `Runtime` (`runtime.py`), which is where sync and
async part; everything above and below is the same code for both.
"""
