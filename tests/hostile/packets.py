"""M7: raw MQTT bytes, sound and broken; and the few packets that a publisher of our own needs. No I/O.

Source: MQTT 5.0 and 3.1.1, section 2 and 3.
"""

import random

from tests.hostile.attack import OTHER, OWN, Attack

CONNACK, PUBACK, DISCONNECT = 2, 4, 14


def encoded_length(length: int) -> bytes:
    """A variable byte integer."""
    out = bytearray()
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(out)


def string(text: bytes) -> bytes:
    """Two bytes of length, then the bytes."""
    return len(text).to_bytes(2, "big") + text


def packet(header: int, body: bytes) -> bytes:
    """A whole packet."""
    return bytes([header]) + encoded_length(len(body)) + body


def connect(
    login: bytes,
    secret: bytes,
    *,
    client_id: bytes = b"",
    version: int = 5,
    will: tuple[bytes, bytes] | None = None,
    flags: int | None = None,
    keepalive: int = 60,
) -> bytes:
    """CONNECT with user name and password, clean start."""
    name = b"MQIsdp" if version == 3 else b"MQTT"
    chosen = (0xC2 if will is None else 0xC6) if flags is None else flags
    properties = b"\0" if version == 5 else b""
    body = (
        string(name) + bytes([version, chosen]) + keepalive.to_bytes(2, "big") + properties + string(client_id or login)
    )
    if will is not None:
        body += properties + string(will[0]) + string(will[1])
    return packet(0x10, body + string(login) + string(secret))


def publish(topic: bytes, payload: bytes, packet_id: int, *, version: int = 5, header: int = 0x32) -> bytes:
    """PUBLISH, QoS 1 unless the header says otherwise."""
    middle = packet_id.to_bytes(2, "big") if header & 6 else b""
    return packet(header, string(topic) + middle + (b"\0" if version == 5 else b"") + payload)


def _mutated(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(len(changed)) if changed else 0
        way = dice.randrange(5)
        if way == 0 and changed:
            changed[at] = dice.randrange(256)
        elif way == 1 and changed:
            changed[at] ^= 1 << dice.randrange(8)
        elif way == 2:
            changed[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif way == 3 and changed:
            del changed[at : at + dice.randrange(1, 9)]
        else:
            changed = changed[: at + 1] if dice.random() < 0.3 else changed + changed[at : at + 40]
    return bytes(changed)


def _wrong_length(data: bytes, dice: random.Random) -> bytes:
    lengths = (
        b"\x00",
        b"\x7f",
        b"\xff\x7f",
        b"\xff\xff\x03",
        b"\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff\x7f",
        b"\x80\x80\x80\x00",
    )
    return data[:1] + dice.choice(lengths) + data[2:]


def _sound(dice: random.Random, version: int) -> bytes:
    topic = dice.choice(
        (b"deye/" + OWN + b"/reading", b"deye/" + OTHER + b"/reading", b"deye/+/reading", b"$SYS/broker/uptime", b"")
    )
    number = dice.choice((0, 1, 65_535))
    properties = b"\0" if version == 5 else b""
    wanted = dice.choice((b"#", b"deye/#", b"$SYS/#", b"$share/x/deye/#", b"deye/" + OTHER + b"/#", b"+/+/+", b"a/#/b"))
    return dice.choice(
        (
            publish(topic, b'{"ac_power": 1.5}', number, version=version),
            publish(topic, b"1.5", number, version=version, header=dice.choice((0x30, 0x34, 0x36, 0x38, 0x3B, 0x31))),
            packet(
                dice.choice((0x82, 0x80)),
                number.to_bytes(2, "big") + properties + string(wanted) + bytes([dice.randrange(256)]),
            ),
            packet(0xA2, number.to_bytes(2, "big") + properties + string(wanted)),
            packet(dice.choice((0x40, 0x50, 0x62, 0x70, 0x60)), number.to_bytes(2, "big")),
            packet(dice.choice((0xC0, 0xD0, 0xE0, 0xF0, 0x00, 0xCF)), b""),
            connect(OWN, b"x", version=version),
        )
    )


def raw(dice: random.Random) -> Attack:
    """M7: mutated CONNECT, Will, wrong lengths, QoS 3, reserved bits, split bytes; protocol 3.1, 3.1.1 and 5."""
    version = dice.choice((3, 4, 4, 5, 5, 0, 255))
    will = dice.choice(
        ((b"deye/" + OTHER + b"/reading", b"offline"), (b"$CONTROL/x", b"y"), (b"#", b""), (b"w" * 300, b"v" * 5_000))
    )
    first = connect(
        dice.choice((OWN, OTHER, b"bridge", b"", b"\xff", b"a/b#+")),
        dice.choice((b"wrong", b"", b"\0" * 40)),
        version=version,
        will=will if dice.random() < 0.5 else None,
        flags=dice.randrange(256) if dice.random() < 0.3 else None,
        keepalive=dice.choice((0, 1, 60, 65_535)),
    )
    way = dice.randrange(6)
    if way == 0:
        return Attack("M7", packets=(_mutated(first, dice),))
    if way == 1:
        return Attack("M7", packets=(_wrong_length(first, dice),))
    if way == 2:
        at = dice.randrange(1, len(first))
        return Attack("M7", packets=(first[:at], first[at:], _sound(dice, version)))
    if way == 3:
        return Attack("M7", packets=(dice.randbytes(dice.randrange(1, 200)),))
    sent = _sound(dice, 5)
    changed = _mutated(sent, dice) if way == 4 else dice.choice((sent, _wrong_length(sent, dice)))
    return Attack("M7", packets=(changed,), logged_in=True)
