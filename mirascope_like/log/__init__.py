"""A record of calls: every response, of both APIs, in one SQLite file that plain SQL can read.

    from mirascope_like import llm

    with llm.log("calls.db"):
        llm.scripted("Hello!").call("Hi")
    for response in llm.open_log("calls.db").responses():
        print(response.model_id, response.prompt, response.text)

Rules:

1. The log's own thread does the writing. A call hands over a reference and continues; no lock, disk or other process
   can delay it. Calls that are not yet written are kept in memory, however many: nothing is dropped.
2. A message is stored once, under a hash of itself and all messages before it. So a shared beginning costs nothing, a
   fork is cheap, and `verify` detects changes.
3. Keys and headers are never stored.
4. A call belongs to the conversation of the call that it continues, which its messages or labels name, and which is of
   the same tenant. Equal content does not connect calls.
5. Only the owner can read a new file.

The tables are described in `database`.
"""

from __future__ import annotations

from .reader import LoggedConversation, LoggedResponse, LoggedTool, LogReader, open_log
from .writer import LogWriter, log

__all__ = ["LogReader", "LogWriter", "LoggedConversation", "LoggedResponse", "LoggedTool", "log", "open_log"]
