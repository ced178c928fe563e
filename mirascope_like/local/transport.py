"""Transport to the embedded model: llama.cpp (`xllamacpp`) as a server in a private child process.

* Each process has one child. The first request starts it (1 to 2 seconds), and a later one restarts it if it has died.
  It listens on a Unix socket in a directory that only this user can open (on Windows: a loopback port), and requires a
  random key.
* It is a child process because in-process the engine can crash the interpreter, hangs after a fork and swallows Ctrl-C;
  and because OpenMP reads `OMP_WAIT_POLICY` once: without `passive`, two busy programs slow each other down tenfold.
* The child ends with this process, however that ends: its input pipe closes.
* A forked process uses its parent's child while it lives, then starts its own. Only the process that started a child
  stops it.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .. import errors
from ..transport.base import ByteStream, Channel, HttpReply, HttpRequest
from ..transport.http import HttpTransport
from ..transport.threads import run_in_thread

if TYPE_CHECKING:
    from subprocess import Popen

START_TIMEOUT = 60.0  # maximum seconds for a child to load its weights

_SLOTS = 2  # requests served at a time; more would only share the same processor
_CONTEXT_TOKENS = 4096  # tokens per slot
_MAX_THREADS = 4
_MAX_DIRECTORY_BYTES = 90  # bytes; the path of a socket may have about 104
_EXIT_REASONS = {  # by exit code
    -4: "xllamacpp is built for processors with AVX2, which this one seems to lack",
    -9: "it was killed: loading took too long, or memory ran out",
}
_INSTALL_MESSAGE = 'The embedded model needs xllamacpp: pip install "mirascope-like[local]" (in a checkout: ".[local]")'
_LIBGOMP_MESSAGE = "The embedded model needs the OpenMP library. On Debian and Ubuntu: apt-get install libgomp1"


class LocalTransport:
    """Sends requests to the embedded model. It ignores the host of a request's URL: `http://local/v1/...`.

    All instances share one child. Safe to use from threads, several event loops and forked processes. A request raises
    `ProviderError` if something has to be installed or downloaded first, and `ConnectionError` if the child fails.
    """

    def blocking(self) -> Channel:
        """Return a channel whose first request may wait for the child to start."""
        return _LocalChannel(_get_server, HttpTransport.blocking)

    def native(self) -> Channel:
        """Return a channel that starts the child in a worker thread."""
        return _LocalChannel(_get_server_in_thread, HttpTransport.native)


def server_pid() -> int | None:
    """Return the process id of the child that this process would use now; `None` if none is running."""
    current = _current_server
    return current.pid if current is not None and current.is_alive() else None


class _LocalChannel:
    def __init__(
        self, server: Callable[[], Awaitable[_ServerProcess]], make_channel: Callable[[HttpTransport], Channel]
    ) -> None:
        self._server = server
        self._make_channel = make_channel

    async def post(self, request: HttpRequest) -> HttpReply:
        server = await self._server()
        return await self._make_channel(server.http).post(server.address_request(request))

    async def open(self, request: HttpRequest) -> ByteStream:
        server = await self._server()
        return await self._make_channel(server.http).open(server.address_request(request))


async def _get_server() -> _ServerProcess:
    return _ensure_server()


async def _get_server_in_thread() -> _ServerProcess:
    current = _current_server
    if current is not None and current.is_alive():
        return current
    return await run_in_thread(_ensure_server)


_lock = threading.Lock()
_current_server: _ServerProcess | None = None


def _ensure_server() -> _ServerProcess:
    """Return the running child; start it if necessary."""
    global _current_server
    with _lock:
        if _current_server is None or not _current_server.is_alive():
            if _current_server is not None:
                _current_server.close()
            _current_server = _start_server()
        return _current_server


def _reset_after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # a thread of the parent may have held the old one
    if _current_server is not None:
        _current_server.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


class _ServerProcess:
    """A child process, and the connections to it."""

    def __init__(self, process: Popen[bytes], directory: Path) -> None:
        import secrets

        self.pid = process.pid
        self.key = secrets.token_urlsafe(24)
        # llama.cpp recognises a socket by the suffix `.sock`.
        self.host = "127.0.0.1" if sys.platform == "win32" else str(directory / "s.sock")
        self.http = HttpTransport(trust_env=False) if sys.platform == "win32" else HttpTransport(uds=self.host)
        self._base = "http://local"
        self._process = process
        self._owner = os.getpid()
        self.close = weakref.finalize(
            self, _stop_process, process, directory, self._owner
        )  # at the latest when Python exits

    def set_address(self, address: str) -> None:
        """Set the address that the child has reported: on Windows, it includes the port."""
        if address.startswith("http"):
            self._base = address.rstrip("/")

    def address_request(self, request: HttpRequest) -> HttpRequest:
        """Return the request with the child's address and key.

        Each request has its own connection: after a streamed response the server closes it unannounced.
        """
        own = {"authorization": f"Bearer {self.key}", "connection": "close"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in own}
        return replace(request, url=self._base + urlsplit(request.url).path, headers=headers | own)

    def is_alive(self) -> bool:
        return self._process.poll() is None if self._owner == os.getpid() else _can_connect(self.host)

    def disown(self) -> None:
        """Disown the child in a forked process: only its parent waits for it and holds its pipe open."""
        self._process.returncode = 0
        _close_pipes(self._process)


def _can_connect(path: str) -> bool:
    import socket

    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _stop_process(process: Popen[bytes], directory: Path, owner: int) -> None:
    import shutil

    if os.getpid() != owner:
        return
    process.kill()  # it has nothing to save
    process.wait()
    _close_pipes(process)
    shutil.rmtree(directory, ignore_errors=True)


def _close_pipes(process: Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _start_server() -> _ServerProcess:
    from .weights import find_weights

    site, model, directory = _find_runtime(), find_weights(), _make_private_directory()
    with (directory / "log").open("wb") as log:
        process = _spawn_process(log)
    server = _ServerProcess(process, directory)
    try:
        reply = _exchange_settings(process, _server_settings(server, site, model, directory))
        if "address" not in reply:
            raise _start_error(reply["error"], model, directory / "log")
        server.set_address(reply["address"])
    except BaseException:
        server.close()
        raise
    return server


def _find_runtime() -> str:
    """Return the directory in which `xllamacpp` is installed: the isolated child may not find it."""
    from importlib import util

    spec = util.find_spec("xllamacpp")
    if spec is None or spec.origin is None:
        raise errors.ProviderError(_INSTALL_MESSAGE, provider="local")
    return str(Path(spec.origin).parent.parent)


def _make_private_directory() -> Path:
    """Create a directory that only this user can open, with a path short enough for a socket in it."""
    import tempfile

    base = None if len(os.fsencode(tempfile.gettempdir())) < _MAX_DIRECTORY_BYTES - 30 else "/tmp"
    return Path(tempfile.mkdtemp(prefix="mirascope-like-", dir=base))


def _spawn_process(log: Any) -> Popen[bytes]:
    import subprocess

    return subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("server.py"))],
        bufsize=0,  # a buffer has a lock, which a fork could copy while it is held
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # Ctrl-C goes to this process only, and this process ends the child
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
    )


def _server_settings(server: _ServerProcess, site: str, model: Path, directory: Path) -> dict[str, Any]:
    return {
        "site": site,
        "model": str(model),
        "template": Path(__file__).with_name("template.jinja").read_text(encoding="utf-8"),
        "alias": model.stem,
        "host": server.host,
        "key": server.key,
        "directory": str(directory),
        "slots": _SLOTS,
        "context": _CONTEXT_TOKENS,
        "threads": min(_MAX_THREADS, _count_processors()),
    }


def _count_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _exchange_settings(process: Popen[bytes], settings: dict[str, Any]) -> dict[str, str]:
    """Send the settings and wait for the child's reply: `{"address": …}` or `{"error": …}`."""
    import json

    assert process.stdin is not None and process.stdout is not None
    watchdog = threading.Timer(START_TIMEOUT, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = b""
    finally:
        watchdog.cancel()
    return json.loads(line) if line else {"error": _describe_exit(process.wait())}


def _describe_exit(code: int) -> str:
    return _EXIT_REASONS.get(code, f"it exited with code {code}")


def _start_error(reason: str, model: Path, log: Path) -> errors.ProviderError:
    """Return the error for a child that did not start, with what to install or repair if that is known."""
    from .weights import is_damaged

    if "libgomp" in reason:
        return errors.ProviderError(_LIBGOMP_MESSAGE, provider="local")
    if is_damaged(model):
        message = f"{model} is damaged. Delete it, then run: python -m mirascope_like weights"
        return errors.ProviderError(message, provider="local")
    details = log.read_text(encoding="utf-8", errors="replace").strip()[:1000]
    return errors.ConnectionError(
        f"The embedded model did not start with {model}: {reason}\n{details}".rstrip(), provider="local"
    )
