"""Chooses the edge to the broker. Its library is imported only here and only then: the other one costs no memory."""

from bridge.edges.connection import Connect
from schema.settings import BrokerEdge


def connect_with(edge: BrokerEdge) -> Connect:
    """How to open connections over this edge."""
    if edge is BrokerEdge.MQTT5:
        from bridge.edges.mqtt5_connection import Mqtt5Connection  # noqa: PLC0415  # see the head

        return Mqtt5Connection
    from bridge.edges.aiomqtt_connection import AiomqttConnection  # noqa: PLC0415  # see the head

    return AiomqttConnection
