"""A record of calls: every answer, of every face, in one SQLite file that plain SQL can read.

    from mirascope_like import llm

    with llm.log("calls.db"):
        llm.scripted("Hello!").call("Hi")
    for response in llm.open_log("calls.db").responses():
        print(response.model_id, response.prompt, response.text)

Rules:

1. Writing is done by a thread of the log's own. A call hands over a reference and goes on; no lock, disk or other
   process can hold it up. What waits to be written is kept in memory, however much: nothing is dropped.
2. A message is stored once, under a hash of itself and all that came before it. So a shared beginning costs nothing, a
   fork is cheap, and `verify` can tell whether anything was changed.
3. Keys and headers are never stored.
4. A call is in the conversation of the call that it continues, which its messages or labels tell, and which is of the
   same tenant. Equal content tells nothing.
5. Only the owner can read a new file.

The tables are described in `database`.
"""

from __future__ import annotations

from .reader import LoggedConversation, LoggedResponse, LoggedTool, LogReader, open_log
from .writer import LogWriter, log

__all__ = ["LogReader", "LogWriter", "LoggedConversation", "LoggedResponse", "LoggedTool", "log", "open_log"]
