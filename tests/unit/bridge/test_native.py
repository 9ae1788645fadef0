"""Our own JSON document: what it says, and every way in which it can be wrong."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.decoded import Document, NotAReading, Refused
from bridge.dialects import native
from bridge.refusals import Reason
from schema.quantities import CATALOGUE, TIME_ESTIMATED

pytestmark = pytest.mark.unit


def _document(payload: object) -> Document:
    decoded = native.decode("reading", json.dumps(payload).encode())
    assert isinstance(decoded, Document), decoded
    return decoded


def _refused(payload: bytes) -> Refused:
    decoded = native.decode("reading", payload)
    assert isinstance(decoded, Refused), decoded
    return decoded


def test_a_document_becomes_values_with_codes_and_extras() -> None:
    """Catalogue names keep their unit, states become codes, unknown numbers are kept under a safe name."""
    document = _document({"ac_power": 412.5, "status": "normal", "grid_connected": True, "Wi-Fi dBm": -61, "note": "x"})

    assert document.values == {"ac_power": 412.5, "status": 2.0, "grid_connected": 1.0}
    assert document.extra == {"x_wi_fi_dbm": -61.0}
    assert document.unread == 1
    assert document.at is None


@pytest.mark.parametrize(
    "time", ["2026-06-01T12:00:00Z", "2026-06-01T14:00:00+02:00", 1780315200, 1780315200.0, 1780315200000]
)
def test_a_time_may_be_text_with_a_zone_or_unix_seconds_or_milliseconds(time: object) -> None:
    """All five name the same instant."""
    assert _document({"ac_power": 1, "time": time}).at == datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("time", ["yesterday", "2026-06-01T12:00:00", True, [], 1e300, -1e18])
def test_an_unreadable_time_costs_the_time_and_not_the_reading(time: object) -> None:
    """The values are kept and the owner is told."""
    document = _document({"ac_power": 1, "time": time})

    assert document.at is None
    assert document.bad_time
    assert document.values == {"ac_power": 1.0}


@pytest.mark.parametrize(
    ("serial", "read"), [("27-1111 1111", "2711111111"), (2711111111, "2711111111"), ("x", ""), (True, ""), ([], "")]
)
def test_a_serial_is_normalised_and_one_that_cannot_be_one_is_none(serial: object, read: str) -> None:
    """Bad serials identify nothing; they do not cost the reading."""
    assert _document({"ac_power": 1, "serial": serial}).serial == read


def test_the_levels_before_the_last_name_the_device() -> None:
    """``roof/reading`` is a reading of the device ``roof``."""
    decoded = native.decode("roof/reading", b'{"ac_power": 1}')

    assert isinstance(decoded, Document)
    assert decoded.device == "roof"


def test_an_empty_message_is_no_reading() -> None:
    """Clearing a retained topic sends one."""
    assert native.decode("reading", b"  ") == NotAReading("empty")


def test_a_null_is_absent() -> None:
    """Publishers send null for what they do not know."""
    assert _document({"ac_power": 1, "day_energy": None}).values == {"ac_power": 1.0}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not json", Reason.NOT_JSON),
        (b'{"ac_power": 1', Reason.NOT_JSON),
        (b"[1, 2]", Reason.NOT_JSON),
        (b"412.5", Reason.NOT_JSON),
        (b'{"ac_power": 1, "ac_power": 2}', Reason.NOT_JSON),
        (b'{"ac_power": \xff}', Reason.NOT_JSON),
        (b'\xef\xbb\xbf{"ac_power": 1}', Reason.NOT_JSON),
        (b'{"ac_power": NaN}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": -Infinity}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": 1e999}', Reason.NOT_A_NUMBER),
        (b'{"anything": 1e999}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": "412.5"}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": true}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": [1]}', Reason.NOT_A_NUMBER),
        (b'{"ac_power": 1' + b"0" * 400 + b"}", Reason.NOT_A_NUMBER),
        (b'{"ac_power": 1' + b"0" * 5000 + b"}", Reason.NOT_A_NUMBER),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, Reason.TOO_DEEP),
        (b"{}", Reason.NO_VALUES),
        (b'{"name": "roof", "nested": {"ac_power": 1}}', Reason.NO_VALUES),
        (b'{"status": "dancing"}', Reason.NO_VALUES),
    ],
)
def test_every_wrong_document_has_its_readable_refusal(payload: bytes, reason: Reason) -> None:
    """A code for the tables, a sentence for the owner, never an exception."""
    refused = _refused(payload)

    assert refused.reason is reason
    assert refused.detail.endswith(".")
    assert len(refused.detail) <= 300


def test_a_lone_surrogate_in_a_name_cannot_reach_the_store() -> None:
    """JSON can spell half a character; the store's names are plain."""
    decoded = native.decode("reading", b'{"\\ud800": 1, "ac_power": 2}')

    assert isinstance(decoded, Document)
    assert decoded.values == {"ac_power": 2.0}
    assert decoded.extra == {}


def test_a_document_on_a_topic_that_is_none_of_ours_is_told_the_right_one() -> None:
    """A feed fixed to this dialect refuses other topics readably."""
    refused = native.decode("status", b"online")

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.WRONG_TOPIC


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_payload_at_all_raises(payload: bytes) -> None:
    """Whatever bytes a publisher sends, an answer comes back."""
    assert isinstance(native.decode("reading", payload), Document | NotAReading | Refused)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(sorted(CATALOGUE.keys() - {TIME_ESTIMATED})), st.floats(-1e6, 1e6), min_size=1, max_size=8
    )
)
def test_numbers_arrive_as_they_were_sent(values: dict[str, float]) -> None:
    """Decoding changes no value."""
    assert _document(values).values == values


def test_no_publisher_says_that_his_time_is_an_estimate() -> None:
    """Whether power may be integrated is not his to decide."""
    assert _document({TIME_ESTIMATED: 1.0, "ac_power": 2.5}).values == {"ac_power": 2.5}


_names = st.sampled_from(['"a"', '"b"', '"time"', '"a:b"', '"\\u0061"', '"serial"', '""'])
_members = st.sampled_from(
    ["1", "-0", "1.5", "1e3", "1e400", "12345678901234567890123", "true", "null", '"x"', '"1:2:3"', '"\\u003a"',
     '"\\ud800"', "{}", '{"a":1}', "[]", "[1,[2]]", "NaN", "01", "1.", '"\t"', '"' + "\u00e4" + '"']
)  # fmt: skip
_documents = st.lists(st.tuples(_names, _members), max_size=5).map(
    lambda pairs: ("{" + ",".join(f"{name}:{member}" for name, member in pairs) + "}").encode()
)


@settings(deadline=None, max_examples=400)
@given(st.one_of(_documents, _documents.map(lambda text: b" " + text + b"\n"), st.binary(max_size=30)))
def test_the_quick_reading_of_a_document_is_the_careful_one(payload: bytes) -> None:
    """pydantic's parser where it is enough; it says the same, or leaves it to the one that sees every pair."""
    quick = native._flat(payload)

    if quick is not None:
        assert quick == native._parsed(payload)


@pytest.mark.parametrize("first", ['"12:00"', '"12\\u003a00"', "1"])
def test_a_name_that_occurs_twice_is_always_noticed(first: str) -> None:
    """Whatever else has a colon."""
    refused = _refused(('{"time":' + first + ',"ac_power":1.0,"ac_power":2.0}').encode())

    assert refused.reason is Reason.NOT_JSON
