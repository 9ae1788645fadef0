"""Line protocol: what is encoded is read back, as influxdb-client would have written it, and nothing is smuggled in."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

from schema.quantities import CATALOGUE, Kind
from schema.readings import Reading
from schema.timeseries.line_protocol import (
    EARLIEST_MS,
    LATEST_MS,
    NotLineProtocol,
    encode,
    from_milliseconds,
    milliseconds,
    milliseconds_up,
    parse,
)
from tests.fake_influx_state import Refused, parsed

pytestmark = pytest.mark.unit

few = settings(max_examples=150, deadline=None, database=None)

AT = datetime(2026, 11, 23, 12, 0, 0, 123_000, tzinfo=UTC)
STATES = {name for name, quantity in CATALOGUE.items() if quantity.kind is Kind.STATE}

numbers = st.floats(allow_nan=False, allow_infinity=False)
codes = st.integers(min_value=-(2**53), max_value=2**53).map(float)
extra_names = st.from_regex(r"x_[a-z0-9_]{1,48}", fullmatch=True)
serials = st.text(st.characters(exclude_characters="\\"), min_size=1, max_size=20).filter(str.isprintable)
times = st.integers(min_value=EARLIEST_MS, max_value=LATEST_MS).map(from_milliseconds)
hostile = st.text(st.sampled_from('\\",= \n\r\t\0#iA1\u2028\u00e4'), max_size=12)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """Any reading that the dialects and the plausibility checks could let through, and wilder."""
    names = draw(st.lists(st.sampled_from(sorted(CATALOGUE)), unique=True, max_size=8))
    values = {name: draw(codes if name in STATES else numbers) for name in names}
    extra = draw(st.dictionaries(extra_names, numbers, min_size=0 if values else 1, max_size=3))
    return Reading(at=draw(times), values=values, extra=extra)


@few
@given(reading=readings(), serial=serials)
def test_what_is_encoded_is_read_back(reading: Reading, serial: str) -> None:
    """Label, values, types and time, exactly."""
    line = parse(encode(reading, serial=serial))

    assert (line.serial, line.fields, line.at_ms) == (
        serial,
        {**reading.values, **reading.extra},
        milliseconds(reading.at),
    )
    assert all(isinstance(line.fields[name], int) is (name in STATES) for name in line.fields)


@few
@given(reading=readings(), serial=serials)
def test_a_line_is_what_influxdb_client_would_have_written(reading: Reading, serial: str) -> None:
    """Its ``Point`` is 8 times slower and spells floats differently; the meaning is the same."""
    point = Point("reading").tag("serial", serial)
    for name, value in {**reading.values, **reading.extra}.items():
        point.field(name, int(value) if name in STATES else float(value))
    point.time(milliseconds(reading.at), WritePrecision.MS)

    theirs = point.to_line_protocol()

    assert parse(theirs.encode()) == parse(encode(reading, serial=serial))


@few
@given(serial=hostile)
def test_no_serial_smuggles_a_second_field_or_line(serial: str) -> None:
    """Either it is refused, or a parser that is not ours finds one point with this serial and this value alone."""
    try:
        line = encode(Reading(at=AT, values={"ac_power": 1.5}, extra={}), serial=serial)
    except ValueError:
        return

    (point,) = parsed(line, 0)

    assert (point.measurement, point.serial, point.fields) == ("reading", serial, {"ac_power": 1.5})


@few
@given(name=hostile.filter(bool))
def test_no_name_smuggles_a_second_field_or_line(name: str) -> None:
    """Names are the catalogue's or sanitised: everything else is refused, not escaped."""
    for reading in (Reading(at=AT, values={name: 1.5}, extra={}), Reading(at=AT, values={}, extra={name: 1.5})):
        with pytest.raises(ValueError, match=r"no quantity|not sanitised"):
            encode(reading, serial="A1")


@pytest.mark.parametrize("serial", ["", "A\\", "A\\\\", "\\", "A\nB", "A\rB", "A\tB", "A\0B", "A\u2028B", "A\x7f"])
def test_a_serial_without_a_safe_spelling_is_refused(serial: str) -> None:
    """A trailing backslash has no spelling in line protocol at all; the others have no business in a label."""
    with pytest.raises(ValueError, match="serial"):
        encode(Reading(at=AT, values={"ac_power": 1.5}, extra={}), serial=serial)


@pytest.mark.parametrize(
    ("values", "extra"),
    [
        ({}, {}),
        ({"ac_power": math.nan}, {}),
        ({"ac_power": math.inf}, {}),
        ({}, {"x_a": -math.inf}),
        ({"status": 1.5}, {}),
        ({"status": 1e300}, {}),
    ],
)
def test_a_reading_that_no_line_can_carry_is_refused(values: dict[str, float], extra: dict[str, float]) -> None:
    """It fails here, alone, and not as a request of five thousand lines."""
    with pytest.raises(ValueError, match=r"value|finite|whole number"):
        encode(Reading(at=AT, values=values, extra=extra), serial="A1")


def test_a_time_no_store_can_keep_is_refused() -> None:
    """InfluxDB ends in 2262; a publisher's clock need not."""
    too_late = from_milliseconds(LATEST_MS) + timedelta(milliseconds=1)

    with pytest.raises(ValueError, match="outside"):
        encode(Reading(at=too_late, values={"ac_power": 1.0}, extra={}), serial="A1")


@few
@given(
    line=st.one_of(
        st.binary(max_size=60),
        st.tuples(readings(), serials, st.integers(0, 80), st.binary(max_size=3)).map(
            lambda given: (
                encode(given[0], serial=given[1])[: given[2]] + given[3] + encode(given[0], serial=given[1])[given[2] :]
            )
        ),
    )
)
def test_whatever_arrives_is_a_line_or_is_refused_and_never_means_two_things(line: bytes) -> None:
    """A spool record that was damaged: what our parser takes, another parser takes for the same."""
    try:
        ours = parse(line)
    except NotLineProtocol:
        return

    (theirs,) = parsed(line, 0)

    assert (theirs.serial, theirs.fields, theirs.at_ms) == (ours.serial, ours.fields, ours.at_ms)


@pytest.mark.parametrize(
    "line",
    [
        b"reading,serial=A1 ac_power=1",
        b"reading,serial=A1 ac_power=1 5\n",
        b"reading,serial=A1 ac_power=1 5\nreading,serial=A1 ac_power=2 6",
        b"reading,serial=A1 ac_power=1, 5",
        b"reading,serial=A1 ac_power=NaN 5",
        b"reading,serial=A1 ac_power=1_0 5",
        b"reading,serial=A1 ac_power=\xd9\xa3 5",
        b"reading,serial=A1 ac_power=1 5.0",
        b"reading,serial=A1,other=2 ac_power=1 5",
        b"reading,serial=,A1 ac_power=1 5",
        b"reading,serial=A1, ac_power=1 5",
        b"other,serial=A1 ac_power=1 5",
        b"reading,serial=A1 ac_power=1 99999999999999",
        b'reading,serial=A1 ac_power="1" 5',
        b"reading,serial=A1 ac_power=t 5",
        b"reading,serial=A1 =1 5",
        b"\xff",
        b"",
    ],
)
def test_what_we_never_write_is_not_a_line_of_ours(line: bytes) -> None:
    """The embedded store refuses it as InfluxDB would, or because only we write there."""
    with pytest.raises(NotLineProtocol):
        parse(line)


@few
@given(at=st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_milliseconds_round_down_and_up_without_a_float(at: datetime) -> None:
    """The instant lies between its two roundings, which are less than a millisecond apart from it."""
    aware = at.replace(tzinfo=UTC)
    step = timedelta(milliseconds=1)

    down, up = from_milliseconds(milliseconds(aware)), from_milliseconds(milliseconds_up(aware))

    assert down <= aware <= up
    assert up - down in {timedelta(0), step}


def test_the_parsers_disagreement_is_noticed() -> None:
    """The other parser is not ours in disguise: it takes lines that ours refuses."""
    foreign = b'other,host=a value="text" 5'

    assert parsed(foreign, 0)[0].measurement == "other"
    with pytest.raises(NotLineProtocol):
        parse(foreign)
    with pytest.raises(Refused):
        parsed(b"no line", 0)
