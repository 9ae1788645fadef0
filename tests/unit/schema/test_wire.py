"""Answers in HTTP/1.1 as the write path reads them: whole or in pieces, right or wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.timeseries.influx2.wire import LONGEST_DETAIL, Answer, BrokenAnswer, read

pytestmark = pytest.mark.unit

ANSWERS = [
    (b"HTTP/1.1 204 No Content\r\nX-Influxdb-Version: v2.9.1\r\n\r\n", Answer(204, b"", None, True)),
    (b"HTTP/1.1 204 \r\n\r\n", Answer(204, b"", None, True)),
    (b"HTTP/1.1 204\r\nConnection: close\r\n\r\n", Answer(204, b"", None, False)),
    (b"HTTP/1.0 204 No Content\r\n\r\n", Answer(204, b"", None, False)),
    (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nwrong", Answer(400, b"wrong", None, True)),
    (b"HTTP/1.1 503 x\r\nRETRY-AFTER:  7 \r\nContent-Length: 0\r\n\r\n", Answer(503, b"", "7", True)),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", Answer(204, b"", None, True)),
    (
        b"HTTP/1.1 422 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        Answer(422, b"abcde", None, True),
    ),
]


@pytest.mark.parametrize(("data", "answer"), ANSWERS)
def test_an_answer_is_read_however_it_is_cut(data: bytes, answer: Answer) -> None:
    """Every beginning waits for the rest; the whole is the answer."""
    assert [read(data[:length], ended=False) for length in range(len(data)) if length] == [None] * (len(data) - 1)
    assert read(data, ended=False) == answer


@pytest.mark.parametrize(
    "more", [b"x", b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"]
)
@pytest.mark.parametrize(("data", "answer"), ANSWERS)
def test_what_comes_behind_an_answer_is_never_the_next_one(data: bytes, answer: Answer, more: bytes) -> None:
    """It would be taken for the answer to a request that was not sent yet, of another owner."""
    assert read(data + more, ended=False) == answer._replace(reusable=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 204 \r\n\r\n",
        b"HTTP/1.1 2\r\n\r\n",
        b"HTTP/1.1 999 x\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX: y",
        b"HTTP/1.1 400 x\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 400 x\r\nContent-Length: 1_0\r\n\r\n",
        b"HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_broken(data: bytes) -> None:
    """Also one that ends in the middle of its head."""
    with pytest.raises(BrokenAnswer):
        read(data, ended=True)


def test_a_head_without_an_end_is_not_kept_for_ever() -> None:
    """A server that talks on and on fills no memory."""
    with pytest.raises(BrokenAnswer):
        read(b"HTTP/1.1 204 " + b"x" * 70_000, ended=False)


@pytest.mark.parametrize("head", [b"Content-Length: 100000\r\n", b"", b"Transfer-Encoding: chunked\r\n"])
def test_of_a_long_body_only_the_beginning_is_waited_for(head: bytes) -> None:
    """The connection ends with it."""
    body = b"10000\r\n" + b"x" * 5_000 if b"chunked" in head else b"x" * 5_000

    answer = read(b"HTTP/1.1 500 x\r\n" + head + b"\r\n" + body, ended=False)

    assert answer == Answer(500, b"x" * LONGEST_DETAIL, None, False)


def test_a_body_that_ends_with_the_connection_is_what_has_come() -> None:
    """Shorter than it was announced, or never announced."""
    data = b"HTTP/1.1 500 x\r\nContent-Length: 10\r\n\r\nabc"

    assert read(data, ended=True) == Answer(500, b"abc", None, False)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.sampled_from([b"HTTP/1.1 204 ", b"HTTP/1.1 400 x", b"HTTP/1.1 100 ", b"\r\n", b"\r\n\r\n", b":", b"0",
                             b"f", b"Content-Length:", b"Transfer-Encoding: chunked", b"9", b"\xff", b" "]), max_size=12
        ).map(b"".join),
    ),
    st.booleans(),
)  # fmt: skip
def test_nothing_that_a_server_sends_raises_anything_else(data: bytes, ended: bool) -> None:
    """An answer, patience, or a broken answer."""
    try:
        answer = read(data, ended=ended)
    except BrokenAnswer:
        return

    assert answer is None or 200 <= answer.status < 600
    assert answer is not None or not ended


def test_interim_answers_without_end_are_no_answer() -> None:
    """However many there are."""
    with pytest.raises(BrokenAnswer):
        read(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000 + b"HTT", ended=False)
