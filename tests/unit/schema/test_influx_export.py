"""A bucket's answers become lines that say the same: types, tags, texts and nanoseconds."""

import pytest

from schema.timeseries.influx2.export import Answer, Value, nanoseconds, tallies_script
from schema.timeseries.port import StoreUnavailable
from tests.store_set_ups import DAY

pytestmark = pytest.mark.unit
HEAD = [
    "#datatype,string,long,dateTime:RFC3339,{kind},string,string,string,string\r\n",
    ",result,table,_time,_value,_field,_measurement,b,a\r\n",
]


def values(*lines: str, kind: str = "double") -> list[Value]:
    """Of an answer with two tags."""
    return list(Answer().values([HEAD[0].format(kind=kind), HEAD[1], *lines]))


@pytest.mark.parametrize(
    ("kind", "told", "written"),
    [
        ("double", "412", "412"),
        ("double", "-0.5", "-0.5"),
        ("long", "-5", "-5i"),
        ("unsignedLong", "5", "5u"),
        ("boolean", "true", "true"),
        ("string", '"say ""hi"", \\ or\r\nmore"', '"say \\"hi\\", \\\\ or\r\nmore"'),
    ],
)
def test_a_value_keeps_its_type(kind: str, told: str, written: str) -> None:
    """A whole number that is a float stays one, and a text its quotes, backslashes and line ends."""
    (one,) = values(f",_result,0,2026-06-01T12:00:00.000000001Z,{told},power,reading,x y,\r\n", kind=kind)

    assert one.line().decode() == f"reading,b=x\\ y power={written} 1780315200000000001"


def test_tags_come_in_their_names_order_and_without_the_empty_ones() -> None:
    """So that a series is the same one however the server orders its columns."""
    one, other = values(
        ',_result,0,2026-06-01T12:00:00Z,1,"po,w=er",m n,2,"1,"""\r\n', ",_result,1,2026-06-01T12:00:00Z,1,p,m,,9\r\n"
    )

    assert one.line() == b'm\\ n,a=1\\,",b=2 po\\,w\\=er=1 1780315200000000000'
    assert other.line() == b"m,a=9 p=1 1780315200000000000"


def test_an_answer_that_ends_in_an_error_is_no_answer() -> None:
    """Half of a copy must not pass for the whole of it."""
    broken = ["#datatype,string,string\r\n", ",error,reference\r\n", ",out of memory,897\r\n"]

    with pytest.raises(StoreUnavailable, match="out of memory"):
        values(",_result,0,2026-06-01T12:00:00Z,1,p,m,,\r\n", "\r\n", *broken)


@pytest.mark.parametrize("garbage", [",_result,0,2026", "<html>\r\n"])
def test_what_is_cut_off_or_no_answer_is_said_so(garbage: str) -> None:
    """A proxy's page, or a connection that ended."""
    with pytest.raises((LookupError, ValueError)):
        [one.line() for one in Answer().values([*(line.format(kind="double") for line in HEAD), garbage])]
    with pytest.raises(ValueError, match="header"):
        list(Answer().values(["<html>\r\n"]))


def test_times_are_exact_before_1970_too() -> None:
    """Floats could not hold them."""
    assert nanoseconds("1969-12-31T23:59:59.999999999Z") == -1
    assert nanoseconds("2262-04-11T23:47:16.854775807Z") == 2**63 - 1


def test_a_field_that_outsiders_named_cannot_leave_its_quotes() -> None:
    """It stands in a script as text."""
    script = tallies_script("b", (DAY, DAY), ['x") |> drop()', "${y}"])

    assert r'r._field != "\${y}" and r._field != "x\") |> drop()"' in script
