"""A new TOKEN_KEY in the file of secrets: the one before stays beside it, everything else as it was."""

from pathlib import Path

import pytest

from standalone import secrets_file

pytestmark = pytest.mark.unit


def test_the_old_key_stays_beside_the_new_one(tmp_path: Path) -> None:
    """Readable by its owner alone, comments and other secrets untouched."""
    path = tmp_path / "secrets.env"
    path.write_text("# mine\nTOKEN_KEY=one\nAUTH_SECRET=two\n")

    secrets_file.new_token_key(path)
    found = secrets_file.complete(path)

    assert path.read_text().startswith("# mine\nAUTH_SECRET=two\n")
    assert (found["TOKEN_KEY_OLD"], found["AUTH_SECRET"]) == ("one", "two")
    assert len(found["TOKEN_KEY"]) == 44
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["secrets.env"]


@pytest.mark.parametrize(
    ("text", "said"), [("AUTH_SECRET=x\n", "no TOKEN_KEY"), ("TOKEN_KEY=a\nTOKEN_KEY_OLD=b\n", "end that change first")]
)
def test_a_key_that_is_still_needed_is_never_overwritten(tmp_path: Path, text: str, said: str) -> None:
    """A second change before the first one has ended would lock away what is not sealed anew yet."""
    path = tmp_path / "secrets.env"
    path.write_text(text)

    with pytest.raises(secrets_file.CannotChange, match=said):
        secrets_file.new_token_key(path)

    assert path.read_text() == text
