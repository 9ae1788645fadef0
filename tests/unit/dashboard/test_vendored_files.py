"""Files of others stay as their makers published them."""

import hashlib
import json

import pytest

from portal.template_files import STATIC

pytestmark = pytest.mark.unit
VENDOR = STATIC / "vendor"
LISTED = json.loads((VENDOR / "VERSIONS.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["file"])
def test_a_vendored_file_is_the_published_one(entry: dict[str, str]) -> None:
    """Byte by byte, with its licence beside it."""
    found = hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest()

    assert found == entry["sha256"]
    assert (VENDOR / entry["licence_file"]).stat().st_size > 200
    assert entry["version"]


def test_every_vendored_file_is_listed() -> None:
    """Nothing slips in beside the list."""
    present = {path.name for path in VENDOR.iterdir() if path.is_file()}

    assert present == {entry["file"] for entry in LISTED} | {"VERSIONS.json"}
