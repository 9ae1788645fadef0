"""What was received and not yet settled, and the sum that must always hold:
received = settled + in the window + dropped with their connection. No I/O, no clock.

Tokens rise for ever, so a token older than its connection is recognised and never acknowledged on the next one: packet
ids are reused (MQTT 5.0 section 2.2.1), tokens are not.
"""

from collections.abc import Iterable

from bridge.ports import SettledTwice


class Window:
    """Tokens of messages that wait for their outcome."""

    def __init__(self) -> None:
        self._packets: dict[int, int] = {}
        self._packet_ids: set[int] = set()
        self._next = 1
        self._first = 1
        self.received = 0
        self.settled = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._packets)

    def connection_opened(self) -> None:
        """Forget what the connection before left: the broker sends it again."""
        self.dropped += len(self._packets)
        self._packets.clear()
        self._packet_ids.clear()
        self._first = self._next

    def admit(self, packet_id: int) -> int | None:
        """A token for a message; None where the same packet is held already. Packet id 0 (QoS 0) needs no answer."""
        if packet_id:
            if packet_id in self._packet_ids:
                return None
            self._packet_ids.add(packet_id)
        token = self._next
        self._next += 1
        self._packets[token] = packet_id
        self.received += 1
        return token

    def alive(self, token: int) -> bool:
        """Whether the message came on this connection and waits still."""
        return token in self._packets

    def settle(self, tokens: Iterable[int]) -> list[int]:
        """The packet ids to acknowledge now. Raises ``SettledTwice``."""
        packet_ids: list[int] = []
        for token in tokens:
            packet_id = self._packets.pop(token, None)
            if packet_id is None:
                if token >= self._first:
                    raise SettledTwice(f"message {token} was settled before")
                continue
            self.settled += 1
            if packet_id:
                self._packet_ids.discard(packet_id)
                packet_ids.append(packet_id)
        return packet_ids
