"""The self-check at a real broker: silent where every rule holds, and it names the one that does not."""

import asyncio
from pathlib import Path

import pytest

from bridge import health
from bridge.broker_rules import BrokenRule, BrokerRules
from bridge.clock import Clock
from bridge.edges.self_check import Entrance, SelfCheck
from schema.topics import BRIDGE_USER, CANARY_USER, bridge_client_id
from tests.bridge_set_up import Publisher, bridge, home, settled
from tests.broker import BRIDGE_PASSWORD, Broker, bridge_listener, broker
from tests.broker_guest import guest
from tests.services import free_port
from tests.waiting import until

pytestmark = pytest.mark.integration

PATTERN = "pattern write deye/%u/#"
CLIENT_IDS = "use_username_as_clientid true"


def check(port: int, bridge_port: int = 0, *, timeout_s: float = 10.0) -> SelfCheck:
    """Of the broker's rules for loggers; ``bridge_port`` where the bridge has a listener of its own."""
    return SelfCheck(Entrance("127.0.0.1", port, bridge_port or port, BRIDGE_PASSWORD), Clock(), timeout_s=timeout_s)


async def test_a_broker_with_our_configuration_keeps_every_rule(tmp_path: Path) -> None:
    """Again and again, and beside the bridge's own listener; the bridge is not touched by it."""
    inner = free_port()
    with broker(tmp_path / "broker", extra=bridge_listener(inner)) as server:
        name = bridge_client_id(BRIDGE_PASSWORD)
        async with guest(server, BRIDGE_USER, BRIDGE_PASSWORD, client_id=name, port=inner) as inside:
            one = check(server.port, inner)
            looks = [await one.look() for _ in range(3)]

            assert [(look.broken, look.unchecked) for look in looks] == [((), "")] * 3
            assert inside.client.is_connected()
    assert server.log.count("already connected") + server.log.count("session taken over") == 3


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        (
            {"allow_anonymous false": "allow_anonymous true", CLIENT_IDS: ""},
            {BrokenRule.STRANGERS, BrokenRule.TAKING_OVER},
        ),
        ({CLIENT_IDS: "use_username_as_clientid false"}, {BrokenRule.TAKING_OVER}),
        ({PATTERN: "pattern write deye/#"}, {BrokenRule.SPOOFING}),
        ({PATTERN: f"{PATTERN}\npattern write #"}, {BrokenRule.SPOOFING}),
        ({PATTERN: f"{PATTERN}\npattern write deye/%c/#\npattern read deye/%u/#"}, {BrokenRule.READING}),
        ({PATTERN: f"{PATTERN}\npattern read $SYS/#"}, {BrokenRule.READING}),
        ({PATTERN: "pattern readwrite deye/#"}, {BrokenRule.READING, BrokenRule.SPOOFING}),
        ({PATTERN: ""}, {BrokenRule.WRITING}),
    ],
)
async def test_each_rule_that_is_switched_off_is_named(
    tmp_path: Path, changed: dict[str, str], broken: set[BrokenRule]
) -> None:
    """The ACL, the client id, strangers: one line each, lost in an update or by hand."""
    with broker(tmp_path / "broker", changed=changed) as server:
        rules = await check(server.port).look()

    assert set(rules.broken) == broken
    assert rules.unchecked == ""
    assert rules.detail


async def test_without_any_acl_reading_and_spoofing_are_both_named(tmp_path: Path) -> None:
    """The line that names the file is gone."""
    line = f"acl_file {tmp_path}/broker/acl"
    with broker(tmp_path / "broker", changed={line: ""}) as server:
        rules = await check(server.port).look()

    assert {BrokenRule.READING, BrokenRule.SPOOFING} <= set(rules.broken)


async def test_a_check_that_could_not_be_made_is_no_answer(tmp_path: Path) -> None:
    """No line for the canary yet, or no broker: neither an alarm nor a clean bill; an alarm from before stays."""
    with broker(tmp_path / "broker", changed={CLIENT_IDS: "use_username_as_clientid false"}) as server:
        one = check(server.port)
        one.rules = await one.look()
        server.withdraw(CANARY_USER)
        without_canary = await one.look()
    without_broker = await one.look()

    for rules in (without_canary, without_broker):
        assert rules.unchecked
        assert rules.broken == (BrokenRule.TAKING_OVER,)


async def test_strangers_are_tried_at_the_bridges_own_door_too(tmp_path: Path) -> None:
    """Where loggers connect, the rule about client ids alone keeps out who has no name; the inner door has none."""
    inner = free_port()
    anonymous = {"allow_anonymous false": "allow_anonymous true"}
    with broker(tmp_path / "broker", extra=bridge_listener(inner), changed=anonymous) as server:
        outside = await check(server.port).look()
        both = await check(server.port, inner).look()

    assert outside.broken == ()
    assert both.broken == (BrokenRule.STRANGERS,)


async def test_a_silent_broker_does_not_hold_the_check_for_ever() -> None:
    """Somebody accepts the connection and says nothing."""
    silent = await asyncio.start_server(lambda _, writer: waiting.append(writer), "127.0.0.1", 0)
    waiting: list[asyncio.StreamWriter] = []
    async with silent:
        rules = await check(silent.sockets[0].getsockname()[1], timeout_s=0.1).look()
        for writer in waiting:
            writer.close()

    assert rules == BrokerRules((), unchecked="TimeoutError")


async def test_the_check_is_made_when_asked_and_never_in_between(tmp_path: Path) -> None:
    """The bridge asks at each connection; a broken rule stays known until a check has seen it mended."""
    server = Broker(tmp_path / "broker", changed={CLIENT_IDS: "use_username_as_clientid false"})
    server.start()
    one = check(server.port)
    task = asyncio.create_task(one.run())
    try:
        unasked = one.rules
        one.asked()
        await until(lambda: one.rules.broken)
        broken = one.rules
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.kill()

    assert unasked == BrokerRules()
    assert unasked.unchecked
    assert broken.broken == (BrokenRule.TAKING_OVER,)


async def test_a_bridge_raises_the_alarm_and_goes_on_storing(tmp_path: Path) -> None:
    """Degraded, with the rule's name: neither a restart nor a stop of the bridge would mend the broker."""
    with broker(tmp_path / "broker", changed={CLIENT_IDS: "use_username_as_clientid false"}) as server:
        async with home(tmp_path, server) as place:
            alice = await place.pair()
            async with bridge(place) as one, Publisher(server, alice.login) as logger:
                await until(lambda: one.watch.observed().broker_rules.broken)
                await logger.send(alice.topic(), {"ac_power": 1.0})
                await settled(one, 1)
                seen = await one.watch.look(writing=False)

                assert health.ready(seen)["broker_rules"].state is health.State.DEGRADED
                assert "use_username_as_clientid" in health.ready(seen)["broker_rules"].detail
                assert one.watch.alarms.active["broker_rules"]
                assert (await place.latest(alice))["ac_power"].value == 1.0
