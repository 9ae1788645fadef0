"""Lines of Mosquitto's own log, as 2.0.11 and 2.1.2 printed them here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.edges.broker_log import BrokerEvent, Told, read, taken_over

pytestmark = pytest.mark.unit

LOGIN = "ABCDEFGH23"
AT = "2026-11-28T21:18:47+0000"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            f"1795467251: New client connected from 127.0.0.1:39152 as {LOGIN} (p2, c1, k60, u'{LOGIN}').",
            Told(LOGIN, BrokerEvent.ACCEPTED, "127.0.0.1", "p2, c1, k60"),
        ),
        (
            f"{AT}: New client connected from fe80::1:42547 as {LOGIN} (p5, c0, k15, u'{LOGIN}').",
            Told(LOGIN, BrokerEvent.ACCEPTED, "fe80::1", "p5, c0, k15"),
        ),
        (f"{AT}: Client {LOGIN} disconnected due to oversize packet.", Told(LOGIN, BrokerEvent.TOO_LARGE)),
        (
            f"{AT}: Client {LOGIN} [127.0.0.1:36972] disconnected: oversize packet.",
            Told(LOGIN, BrokerEvent.TOO_LARGE, "127.0.0.1"),
        ),
        (f"{AT}: Client {LOGIN} disconnected, not authorised.", Told(LOGIN, BrokerEvent.REFUSED)),
        (
            f"{AT}: Client {LOGIN} [10.0.0.7:33005] disconnected: not authorised.",
            Told(LOGIN, BrokerEvent.REFUSED, "10.0.0.7"),
        ),
        (f"{AT}: Client {LOGIN} already connected, closing old connection.", Told(LOGIN, BrokerEvent.TAKEN_OVER)),
        (
            f"{AT}: Client {LOGIN} [10.0.0.7:42547] disconnected: session taken over.",
            Told(LOGIN, BrokerEvent.TAKEN_OVER, "10.0.0.7"),
        ),
        (f"{AT}: Client {LOGIN} disconnected.", Told(LOGIN, BrokerEvent.ENDED)),
        (f"{AT}: Client {LOGIN} [10.0.0.7:1] disconnected.", Told(LOGIN, BrokerEvent.ENDED, "10.0.0.7")),
        (f"{AT}: Client {LOGIN} closed its connection.", Told(LOGIN, BrokerEvent.ENDED)),
        (f"{AT}: Client {LOGIN} has exceeded timeout, disconnecting.", Told(LOGIN, BrokerEvent.ENDED)),
        (
            f"{AT}: Client {LOGIN} [10.0.0.7:1] disconnected: connection closed by client.",
            Told(LOGIN, BrokerEvent.ENDED, "10.0.0.7"),
        ),
        (f"{AT}: Client {LOGIN} disconnected due to protocol error.", Told(LOGIN, BrokerEvent.ENDED)),
    ],
)
def test_a_line_about_a_login_is_understood(line: str, told: Told) -> None:
    """Who, what happened, and from where as far as the line says."""
    assert read(line) == told


@pytest.mark.parametrize(
    "line",
    [
        "1795467251: New connection from 127.0.0.1:39162 on port 21883.",
        "1795467251: Client <unknown> disconnected, not authorised.",
        "1795467251: New client connected from 127.0.0.1:1 as bridge (p5, c0, k60, u'bridge').",
        "1795467251: Client auto-262708CE-BEFD-8286 disconnected, not authorised.",
        f"1795467251: Client {LOGIN} sent something.",
        "",
    ],
)
def test_other_lines_say_nothing_about_a_login(line: str) -> None:
    """2.0.11 does not name a login with a wrong password."""
    assert read(line) is None


# Names that a stranger gave to a real 2.1.2; it logged them as they are.
INVENTED = (
    f"{LOGIN} [1.2.3.4:5] disconnected: session taken over. x",
    f"{LOGIN} already connected, closing old connection.",
    f"z New client connected from 1.2.3.4:5 as {LOGIN} (p2, c1, k60, u'{LOGIN}')",
    f"z: New client connected from 1.2.3.4:5 as {LOGIN} (p2, c1, k60, u'{LOGIN}').",
    f"{LOGIN} disconnected due to oversize packet. x",
    f"{LOGIN} disconnected due to a",
    f"x: Client {LOGIN} disconnected",
    f"x: Client {LOGIN}",
    "bridge already connected, closing old connection.",
)


@pytest.mark.parametrize("name", INVENTED)
def test_a_stranger_cannot_make_the_log_speak_of_somebody_else(name: str) -> None:
    """2.1 logs whatever user name was tried; nothing in it is taken for what the broker says."""
    line = f"{AT}: Client {name} [9.9.9.9:33397] disconnected: not authorised."

    assert read(line) is None
    assert not taken_over(line, ("bridge", LOGIN))


_PIECES = st.sampled_from(
    [LOGIN, "bridge", " ", ": ", "Client ", "[1.2.3.4:5] ", "New client connected from ", "as ", "'", ").", ".", ", ",
     "(p5, c1, k60, u'", "disconnected", "disconnected: ", "session taken over", "not authorised", "oversize packet",
     " due to ", "already connected, closing old connection", "closed its connection", AT, "x"]
)  # fmt: skip


@settings(max_examples=500)
@given(pieces=st.lists(_PIECES, max_size=12))
def test_no_name_at_all_makes_the_log_say_more_than_that_somebody_was_refused(pieces: list[str]) -> None:
    """Whatever it is made of: at most that very login was refused."""
    name = "".join(pieces)
    line = f"{AT}: Client {name} [9.9.9.9:33397] disconnected: not authorised."

    told = read(line)

    assert told is None or (told.event, told.login, told.address) == (BrokerEvent.REFUSED, name, "9.9.9.9")
    assert not taken_over(line, ("bridge", LOGIN))
