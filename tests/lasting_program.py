"""A logger that stays connected, by hand: what it hears of its connection is what the broker did."""

import select
import socket

from tests.visitor import Pairing


class Program:
    """One connection of a logger, MQTT 3.1.1 by hand: whoever comes after it with the same login would throw it out."""

    def __init__(self, connection: socket.socket, pairing: Pairing) -> None:
        self._connection = connection
        self._topic = _text(f"deye/{pairing.login}/reading")
        self._send(
            b"\x10", b"\x00\x04MQTT\x04\xc2\x00\x78" + b"".join(map(_text, [pairing.login] * 2 + [pairing.secret]))
        )
        assert connection.recv(4) == b"\x20\x02\x00\x00"

    def say(self, payload: str) -> bool:
        """Publish, be acknowledged, and listen for a moment; false where the broker has ended the connection."""
        try:
            self._send(b"\x32", self._topic + b"\x00\x01" + payload.encode())
            acknowledged = self._connection.recv(4) == b"\x40\x02\x00\x01"
        except ConnectionError:
            return False
        return acknowledged and not select.select([self._connection], [], [], 0.02)[0]

    def _send(self, kind: bytes, body: bytes) -> None:
        assert len(body) < 128
        self._connection.sendall(kind + bytes([len(body)]) + body)


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()
