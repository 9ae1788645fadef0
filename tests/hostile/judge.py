"""The pure pipeline under hostile messages: what each of them came to, and all that is wrong with that. No I/O."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bridge.batch import Parcel
from bridge.counters import Counters
from bridge.kept import Letter
from bridge.pipeline import Decisions, Pipeline
from bridge.routes import Claim
from schema.timeseries.line_protocol import parse
from tests.fake_influx_state import parsed
from tests.fakes import ALICE_LOGIN, BOB_LOGIN, FakeLive, FakeRegistry, FakeSession, FakeTime, route
from tests.hostile.attack import Attack

VICTIM_SERIAL = "2799999999"
_BATCH = 200
_LONGEST_DETAIL = 300
_LONGEST_LETTER, _LONGEST_TOPIC = 16_384, 512


@dataclass
class Verdict:
    """What so many messages came to; ``faults`` holds the name of each input that did harm, and how."""

    ends: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)


class Judge:
    """Alice is hostile, Bob is her victim; Bob's serial is his and known."""

    def __init__(self) -> None:
        self._session = FakeSession()
        self._alice = route(ALICE_LOGIN, claim=Claim.ACTIVE)
        self._bob = route(BOB_LOGIN, serial=VICTIM_SERIAL)
        self._registry = FakeRegistry(self._alice, self._bob)
        self._time = FakeTime()
        self._live = FakeLive()
        self.counters = Counters()
        self._kept: list[bytes] = []
        self._pipeline = Pipeline(
            directory=lambda: self._registry.directory,
            live=self._live,
            counters=self.counters,
            reading_max_bytes=16_384,
            monotonic=lambda: self._time.seconds,
        )

    def forget(self) -> None:
        """What the judge itself remembers, so that only what the pipeline does is left."""
        self._session.lose_connection()
        self._session.acknowledged.clear()
        self._kept.clear()

    def lines(self, attacks: Iterable[Attack]) -> list[bytes]:
        """What would be stored of them. Raises ``AssertionError`` where one did harm."""
        self._kept.clear()
        verdict = self.judge(attacks)
        assert verdict.faults == [], verdict.faults
        return list(self._kept)

    def judge(self, attacks: Iterable[Attack]) -> Verdict:
        """All of them, in batches."""
        verdict = Verdict()
        for batch in _batches(attacks):
            self._judge(batch, verdict)
        return verdict

    def _judge(self, batch: list[Attack], verdict: Verdict) -> None:
        out, names = Decisions(), dict[int, str]()
        for attack in batch:
            sent = attack.aimed(own=ALICE_LOGIN, other=BOB_LOGIN, other_serial=VICTIM_SERIAL)
            self._time.seconds += 0.01
            topic = _topic(sent.topic)
            # The broker lets nobody else write below Bob's name, so nothing hostile arrives from there.
            if topic.split("/")[1:2] == [BOB_LOGIN]:
                continue
            delivery = self._session.deliver(topic, sent.payload, at=self._time.now())
            names[delivery.token] = attack.name
            try:
                self._pipeline.take(delivery, out)
            except Exception as fault:  # noqa: BLE001  # whatever it is, it is what we look for
                verdict.faults.append((attack.name, repr(fault)))
                self._pipeline.poisoned(delivery, out)
        self._pipeline.flush(out)
        for part in out.parts:
            try:
                self._pipeline.take_part(part, out)
            except Exception as fault:  # noqa: BLE001  # as above
                verdict.faults.append((" ".join(names[token] for token in part.tokens), repr(fault)))
                self._pipeline.poisoned(self._session.deliver(part.topic, b""), out, part.tokens)
        self._check(out, names, verdict)
        self._live.readings.clear()
        self._live.refusals.clear()

    def _check(self, out: Decisions, names: dict[int, str], verdict: Verdict) -> None:
        """Each message in exactly one place, and nothing in a place where it may not be."""
        ends: Counter[int] = Counter()
        parcels = [*out.parcels, *(claim.parcel for claim in out.claims)]
        for tokens, end in [
            *((parcel.tokens, "stored") for parcel in parcels),
            *((tokens, "refused") for _, tokens in out.letters),
            (out.settled, "not a reading"),
            ([delivery.token for delivery in out.strangers], "stranger"),
        ]:
            ends.update(tokens)
            verdict.ends[end] += len(tokens)
        for token, name in names.items():
            if ends[token] != 1:
                verdict.faults.append((name, f"ended {ends[token]} times"))
        self._kept = [parcel.line for parcel in parcels]
        for parcel in parcels:
            verdict.faults.extend((names[parcel.tokens[0]], fault) for fault in self._parcel_faults(parcel))
        for letter, tokens in out.letters:
            verdict.reasons[letter.reason] += 1
            verdict.faults.extend((names[tokens[0]], fault) for fault in _letter_faults(letter))

    def _parcel_faults(self, parcel: Parcel) -> Iterator[str]:
        if parcel.inverter_id != self._alice.inverter_id:
            yield "went to another inverter"
        points = parsed(parcel.line, 0)
        if len(points) != 1 or points[0].series != f"reading,serial={self._alice.serial}":
            yield f"is not one point of the own series: {parcel.line[:100]!r}"
        line = parse(parcel.line)
        if points and points[0].fields != dict(line.fields):
            yield f"two readers differ: {parcel.line[:100]!r}"


def _letter_faults(letter: Letter) -> Iterator[str]:
    if not letter.detail.isprintable() or len(letter.detail) > _LONGEST_DETAIL:
        yield f"a sentence that is none: {letter.detail!r}"
    if len(letter.payload) > _LONGEST_LETTER or len(letter.topic) > _LONGEST_TOPIC:
        yield "a dead letter without limit"
    if letter.reason == "not_understood":
        yield "the bridge failed on it"
    # PostgreSQL keeps no NUL in a text, and nobody keeps half a surrogate pair.
    if "\0" in letter.topic + letter.detail or any("\ud800" <= one <= "\udfff" for one in letter.topic + letter.detail):
        yield "a text that no database keeps"


def _topic(topic: bytes) -> str:
    """As the edge hands it on: what is not UTF-8 has no name. A topic with NUL never leaves the broker."""
    try:
        return topic.replace(b"\0", b"").decode()
    except UnicodeDecodeError:
        return ""


def _batches(attacks: Iterable[Attack]) -> Iterator[list[Attack]]:
    batch: list[Attack] = []
    for attack in attacks:
        batch.append(attack)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
