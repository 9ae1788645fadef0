"""Lines of Mosquitto's own log, as 2.0.11 printed them here."""

import pytest

from bridge.edges.broker_log import BrokerEvent, read

pytestmark = pytest.mark.unit

LOGIN = "ABCDEFGH23"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            f"1795467251: New client connected from 127.0.0.1:39152 as {LOGIN} (p2, c1, k60, u'{LOGIN}').",
            BrokerEvent.ACCEPTED,
        ),
        (f"1795467251: Client {LOGIN} disconnected due to oversize packet.", BrokerEvent.TOO_LARGE),
        (f"1795467251: Client {LOGIN} disconnected, not authorised.", BrokerEvent.REFUSED),
    ],
)
def test_a_line_about_a_login_is_understood(line: str, event: BrokerEvent) -> None:
    """Who, and what happened."""
    assert read(line) == (LOGIN, event)


@pytest.mark.parametrize(
    "line",
    [
        "1795467251: New connection from 127.0.0.1:39162 on port 21883.",
        "1795467251: Client <unknown> disconnected, not authorised.",
        f"1795467251: Client {LOGIN} disconnected.",
        "1795467251: New client connected from 127.0.0.1:1 as bridge (p5, c0, k60, u'bridge').",
        "1795467251: Client auto-262708CE-BEFD-8286 disconnected, not authorised.",
        "",
    ],
)
def test_other_lines_say_nothing_about_a_login(line: str) -> None:
    """2.0.11 does not name a login with a wrong password."""
    assert read(line) is None
