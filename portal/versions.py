"""Which version runs."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def own_version() -> str:
    """The distribution's; a checkout that runs without being installed says it in its project file."""
    try:
        return version("deye-hard")
    except PackageNotFoundError:
        project = Path(__file__).parent.parent / "pyproject.toml"
        if not project.is_file():
            return "unknown"
        return str(tomllib.loads(project.read_text())["project"]["version"])
