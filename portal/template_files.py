"""Where templates and static files lie, and the environment that turns templates into pages and mails. No HTTP here."""

import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from portal import words

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"

_FINGERPRINT_DIGITS = 12


class StaticAddresses:
    """``static("css/base.css")`` in a template: the address with the content's fingerprint, so that caches may wait."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[float, str]] = {}

    def __call__(self, name: str) -> str:
        """The address of ``name`` below the static folder; a missing file costs its fingerprint, not the page."""
        path = self._folder / name
        try:
            changed = path.stat().st_mtime
        except FileNotFoundError:
            return f"/static/{name}"
        known = self._known.get(name)
        if known is None or known[0] != changed:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:_FINGERPRINT_DIGITS]
            known = self._known[name] = (changed, digest)
        return f"/static/{name}?v={known[1]}"


def environment() -> Environment:
    """Escapes everything but plain text, and an unknown name in a template is an error, not an empty place."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words.install(made)
    made.globals["static"] = StaticAddresses(STATIC)
    return made
