"""Where a collector may come from: addresses and networks as an operator writes them. No database, no HTTP."""

import ipaddress
import re

MOST_NETWORKS = 16

_BETWEEN = re.compile(r"[\s,;]+")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NotANetwork(ValueError):
    """The text has something in it that is neither an address nor a network; the message is a sentence."""


def written(typed: str) -> str:
    """Networks in one form, separated by commas; empty where nothing is typed. Raises ``NotANetwork``.

    An address is a network of one. A network that is typed with one of its hosts (10.0.0.7/24) is refused: what was
    meant is a guess.
    """
    named = [part for part in _BETWEEN.split(typed) if part]
    if len(named) > MOST_NETWORKS:
        raise NotANetwork(f"At most {MOST_NETWORKS} addresses and networks.")
    return ",".join(str(_network(part)) for part in named)


def allow(networks: str, host: str) -> bool:
    """Whether a caller at ``host`` may come in: from anywhere where no networks are named."""
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(network) for network in networks.split(","))


def _network(part: str) -> Network:
    try:
        return ipaddress.ip_network(part)
    except ValueError:
        raise NotANetwork(f"{part[:60]} is neither an address nor a network such as 192.0.2.0/24.") from None
