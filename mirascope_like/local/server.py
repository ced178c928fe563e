"""The child process of the embedded model: llama.cpp's server on a private address.

`local/transport.py` runs this file, isolated from the user's environment; it imports nothing of this package. It reads
one line of JSON from its input (the settings) and writes one to its output (`{"address": …}` or `{"error": …}`). When
its input ends, the parent has closed it or has died, and this process exits.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from importlib import import_module
from typing import Any

__all__: list[str] = []


def start_server(settings: dict[str, Any]) -> Any:
    """Start the server and return it. By default, llama.cpp requires no key and allows any origin; this sets both."""
    sys.path.insert(0, settings["site"])
    xllamacpp: Any = import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.chat_template = settings["template"]
    params.model_alias = {settings["alias"]}
    params.n_parallel = settings["slots"]
    params.n_ctx = settings["slots"] * settings["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.hostnames, params.port = [settings["host"]], 0
    params.api_keys, params.cors_origins = [settings["key"]], "localhost"
    params.ui = params.endpoint_slots = params.warmup = False
    params.cache_ram_mib, params.offline, params.verbosity = 64, True, 1  # MiB; errors only
    return xllamacpp.Server(params)


def main() -> None:
    """Serve until the end of the input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints must not mix with the reply
    settings = json.loads(sys.stdin.readline())
    try:
        server = start_server(settings)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), file=output, flush=True)
        os._exit(1)
    print(json.dumps({"address": server.listening_address}), file=output, flush=True)
    sys.stdin.read()
    shutil.rmtree(settings["directory"], ignore_errors=True)
    os._exit(0)  # at once, even in the middle of a response


main()
