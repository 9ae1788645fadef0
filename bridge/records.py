"""One login with its feeds as bytes: 100,000 of them fit where objects would not, and a snapshot file keeps them. Pure.

Tokens stay sealed in here; they are opened when a message needs the place (``bridge.routes``).
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

_HEAD = struct.Struct("!BH")
_FEED = struct.Struct("!16s16s16sBiHH")
_REVOKED, _QUARANTINED = 1, 2
_PLACED, _FORMER = 1, 2
_NO_POWER = -1


class RecordUnreadable(Exception):
    """The bytes are no record: written by another version, or damaged."""


class FeedRow(NamedTuple):
    """One feed with its inverter and place. Ids are the 16 bytes of a UUID; ``sealed`` is the sealed write token.

    ``former`` says that the inverter was deleted: nothing new comes from this feed, but what was acknowledged before
    still goes where it belongs. ``placed`` says that provisioning has finished.
    """

    feed_id: bytes
    inverter_id: bytes
    owner_id: bytes
    selector: str
    dialect: str
    claim: str
    device_key: str
    serial: str
    rated_power_w: int | None = None
    former: bool = False
    placed: bool = False
    server: str = ""
    org_id: str = ""
    bucket_id: str = ""
    sealed: bytes = b""
    aliases: Sequence[str] = ()


def pack(feeds: Sequence[FeedRow], *, revoked: bool, quarantined: bool = False) -> bytes:
    """A login's feeds as bytes."""
    parts = [_HEAD.pack((_REVOKED if revoked else 0) | (_QUARANTINED if quarantined else 0), len(feeds))]
    for feed in feeds:
        texts = "\0".join(
            (
                feed.selector, feed.dialect, feed.claim, feed.device_key, feed.serial,
                feed.server, feed.org_id, feed.bucket_id, *feed.aliases,
            )
        ).encode()  # fmt: skip
        flags = (_PLACED if feed.placed else 0) | (_FORMER if feed.former else 0)
        power = _NO_POWER if feed.rated_power_w is None else feed.rated_power_w
        parts += (
            _FEED.pack(feed.feed_id, feed.inverter_id, feed.owner_id, flags, power, len(texts), len(feed.sealed)),
            texts,
            feed.sealed,
        )
    return b"".join(parts)


def is_revoked(record: bytes) -> bool:
    """Whether the login was withdrawn."""
    return bool(record[0] & _REVOKED)


def is_quarantined(record: bytes) -> bool:
    """Whether what the login sends is to be set aside."""
    return bool(record[0] & _QUARANTINED)


def inverters(record: bytes) -> list[bytes]:
    """The ids of the inverters the login speaks of, former ones too. Raises ``RecordUnreadable``."""
    found, at = [], _HEAD.size
    try:
        for _ in range(_HEAD.unpack_from(record)[1]):
            _, inverter_id, _, _, _, text_size, seal_size = _FEED.unpack_from(record, at)
            at += _FEED.size + text_size + seal_size
            found.append(inverter_id)
    except struct.error as fault:
        raise RecordUnreadable(str(fault)) from fault
    return found


def unpack(record: bytes) -> list[FeedRow]:
    """The feeds. Raises ``RecordUnreadable``."""
    try:
        _, count = _HEAD.unpack_from(record)
        feeds, at = [], _HEAD.size
        for _ in range(count):
            feed_id, inverter_id, owner_id, flags, power, text_size, seal_size = _FEED.unpack_from(record, at)
            at += _FEED.size
            texts = record[at : at + text_size].decode().split("\0")
            at += text_size + seal_size
            selector, dialect, claim, device_key, serial, server, org_id, bucket_id, *aliases = texts
            feeds.append(
                FeedRow(
                    feed_id, inverter_id, owner_id, selector, dialect, claim, device_key, serial,
                    None if power == _NO_POWER else power, bool(flags & _FORMER), bool(flags & _PLACED),
                    server, org_id, bucket_id, record[at - seal_size : at], tuple(aliases),
                )
            )  # fmt: skip
    except (struct.error, ValueError) as fault:
        raise RecordUnreadable(str(fault)) from fault
    if at != len(record):
        raise RecordUnreadable("length")
    return feeds
