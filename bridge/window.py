"""What was received and not yet settled, and the sum that must always hold:
received = settled + in the window + dropped with their connection. No I/O, no clock.

Tokens rise for ever, so a token older than its connection is recognised and never acknowledged on the next one: packet
ids are reused (MQTT 5.0 section 2.2.1), tokens are not. Mosquitto (2.0.11, 2.1.2) counts them up and does not ask
whether the next one is free: a message held while 65,535 others pass shares its packet id with a new one, and a PUBACK
ends the older of the two. So all PUBACKs of a shared packet id go out when the last of its messages is settled.
"""

from collections.abc import Iterable

from bridge.ports import Packet, SettledTwice


class Window:
    """Tokens of messages that wait for their outcome."""

    def __init__(self) -> None:
        self._packets: dict[int, int] = {}
        self._packet_ids: set[int] = set()
        # Packet ids that several messages share: how many wait still, how many there were.
        self._shared: dict[int, tuple[int, int]] = {}
        self._again: set[int] = set()
        self._next = 1
        self._first = 1
        self.received = 0
        self.settled = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def oldest(self) -> int | None:
        """The token that waits longest, None where none waits."""
        return next(iter(self._packets), None)

    def connection_opened(self) -> None:
        """Forget what the connection before left: the broker sends it again."""
        self.dropped += len(self._packets)
        self._packets.clear()
        self._packet_ids.clear()
        self._shared.clear()
        self._again.clear()
        self._first = self._next

    def admit(self, packet_id: int, again: bool = False) -> int:  # noqa: FBT001, FBT002  # thousands a second
        """A token for a message. Packet id 0 (QoS 0) needs no answer; ``again`` is DUP."""
        if packet_id:
            if packet_id in self._packet_ids:
                waiting, all_of_them = self._shared.get(packet_id, (1, 1))
                self._shared[packet_id] = waiting + 1, all_of_them + 1
            self._packet_ids.add(packet_id)
        token = self._next
        self._next += 1
        self._packets[token] = packet_id
        if again:
            self._again.add(token)
        self.received += 1
        return token

    def packet(self, token: int) -> Packet:
        """What a message that waits came in."""
        return Packet(self._packets.get(token, 0), token in self._again)

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
            if packet_id in self._shared:
                packet_ids += self._settled_one_of(packet_id)
            elif packet_id:
                self._packet_ids.discard(packet_id)
                packet_ids.append(packet_id)
        return packet_ids

    def _settled_one_of(self, packet_id: int) -> list[int]:
        """Nothing, or the shared packet id as often as there were messages, once all of them are settled."""
        waiting, all_of_them = self._shared[packet_id]
        if waiting > 1:
            self._shared[packet_id] = waiting - 1, all_of_them
            return []
        del self._shared[packet_id]
        self._packet_ids.discard(packet_id)
        return [packet_id] * all_of_them
