"""``python -m tests.switched_off NAME...``: a control is taken out of the source, and its test is run.

Nothing is changed on the disk: the one module is compiled from its source without the control, in a child process that
lives for one test run. Prints a line of JSON per control: what became of each test. The controls are in ``switches``.
"""

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

from tests.control import Control
from tests.switches import CONTROLS

ROOT = Path(__file__).parents[1]
# Imported once for all children; ours are imported by each child, one of them without its control.
_LIBRARIES = (
    *(
        "litestar",
        "litestar.security.jwt",
        "litestar.middleware.csrf",
        "litestar.static_files",
        "sqlalchemy.ext.asyncio",
    ),
    *("aiosqlite", "asyncpg", "alembic.command", "pydantic", "pydantic_settings", "argon2", "httpx", "uvicorn"),
    *("structlog", "babel.support", "jinja2", "aiohttp", "aiosmtplib", "cryptography.hazmat.primitives.ciphers.aead"),
    *("email_validator", "pyotp", "segno", "zxcvbn", "influxdb_client"),
)


class ControlMoved(Exception):
    """The source no longer has what the table says: say in ``tests/switches.py`` where the control is now."""


def without(control: Control, source: str) -> str:
    """The module's source without the control. Raises ``ControlMoved``."""
    if source.count(control.text) != 1:
        raise ControlMoved(
            f"{control.name}: {control.module} has this {source.count(control.text)} times: {control.text}"
        )
    return source.replace(control.text, control.instead)


class _Loader(SourceFileLoader):
    def __init__(self, control: Control, name: str, path: str) -> None:
        super().__init__(name, path)
        self._control = control

    def get_code(self, fullname: str) -> CodeType:
        """Compiled anew; what lies compiled beside the source still has the control."""
        path = self.get_filename(fullname)
        changed: CodeType = compile(without(self._control, Path(path).read_text()), path, "exec")
        return changed


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, control: Control) -> None:
        self._control = control

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The one module, from its changed source."""
        if fullname != self._control.module:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and found.origin is not None:
            found.loader = _Loader(self._control, fullname, found.origin)
        return found


class _Outcomes:
    """A pytest plugin that remembers how each test ended, and where."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.passed: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A failure before or after the test itself is none of the test's."""
        name = report.nodeid.partition("::")[2]
        if report.failed:
            said = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", report.longrepr))
            self.failed[name] = f"{report.when}: {said.strip().splitlines()[0][:160]}" if said.strip() else report.when
        elif report.when == "call" and report.passed:
            self.passed.append(name)


def _try(control: Control, folder: str) -> dict[str, Any]:
    outcomes = _Outcomes()
    sys.meta_path.insert(0, _Finder(control))
    importlib.import_module(control.module)
    quiet = [
        "-q",
        "--no-header",
        "--tb=line",
        "--show-capture=no",
        "-Wignore::pytest.PytestAssertRewriteWarning",
        f"--basetemp={folder}/{os.getpid()}",
    ]
    code = pytest.main([*quiet, *control.tests], plugins=[outcomes])
    return {"code": int(code), "failed": outcomes.failed, "passed": outcomes.passed}


def _in_a_child(control: Control, folder: str) -> dict[str, Any]:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            found = _try(control, folder)
        except Exception as error:  # noqa: BLE001  # the parent says what it was
            found = {"code": -1, "failed": {}, "passed": [], "error": f"{type(error).__name__}: {error}"}
        os.write(theirs, json.dumps(found).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return dict(json.loads(text)) if text else {"code": -1, "failed": {}, "passed": [], "error": "the child died"}


def main(wanted: list[str]) -> None:
    """All controls, or those named."""
    os.chdir(ROOT)
    for library in _LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        for control in CONTROLS:
            if not wanted or control.name in wanted:
                print(json.dumps({"control": control.name, **_in_a_child(control, folder)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
