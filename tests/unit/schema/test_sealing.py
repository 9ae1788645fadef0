"""Several keys at once: the newest seals, each opens what it has sealed, and every sealed column is known."""

import base64

import pytest
from sqlalchemy import LargeBinary

from schema.models import Base
from schema.sealed_rows import SEALED
from schema.sealing import AesSealer, CannotUnseal

pytestmark = pytest.mark.unit
OLD, OLDER, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in range(3))
ROW = "owner:alice:read"


def test_older_keys_open_and_seal_nothing() -> None:
    """What the new key has sealed opens without them; what they have, with them alone."""
    both = AesSealer(NEW, OLD, OLDER)
    olds = [AesSealer(key).seal("token", row=ROW) for key in (OLD, OLDER)]

    assert [both.open(one, row=ROW) for one in olds] == ["token", "token"]
    assert [both.is_newest(one, row=ROW) for one in olds] == [False, False]
    assert both.is_newest(both.seal("token", row=ROW), row=ROW)
    assert AesSealer(NEW).open(both.seal("token", row=ROW), row=ROW) == "token"
    for sealed, sealer in ((both.seal("token", row=ROW), AesSealer(OLD)), (olds[0], AesSealer(NEW, OLDER))):
        with pytest.raises(CannotUnseal):
            sealer.open(sealed, row=ROW)
    with pytest.raises(CannotUnseal):
        both.open(olds[0], row="owner:bob:read")


def test_the_key_id_is_a_hint_and_never_the_last_word() -> None:
    """Whatever it says, the key decides: earlier versions wrote a 1 before everything."""
    sealed = AesSealer(OLD).seal("token", row=ROW)

    for hint in range(256):
        assert AesSealer(NEW, OLD).open(bytes([hint]) + sealed[1:], row=ROW) == "token"


def test_each_key_has_an_id_of_its_own() -> None:
    """So that rows of a key that is missing can be told from others."""
    assert len({AesSealer(key).seal("token", row=ROW)[0] for key in (OLD, OLDER, NEW)}) == 3


def test_every_sealed_column_is_known() -> None:
    """A new one that is not in the list would be locked away by the next change of the key."""
    columns = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and "sealed" in column.name
    }

    assert {one.name for one in SEALED} == columns
