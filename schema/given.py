"""Kinds of values that variables of the environment may have: what is wrong with one is said when a process starts."""

import base64
import ipaddress
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from schema import influx_servers


def _key_of_32_bytes(value: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(value.get_secret_value(), validate=True)
    except ValueError as error:
        raise ValueError("must be base64") from error
    if len(key) != 32:
        raise ValueError("must be base64 of exactly 32 bytes")
    return value


def _keys_of_32_bytes(value: SecretStr) -> SecretStr:
    for key in value.get_secret_value().split(","):
        _key_of_32_bytes(SecretStr(key.strip()))
    return value


def _long_secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("must have at least 32 characters")
    return value


def _addresses(value: str) -> str:
    """A name or "*" would never fit, or let every caller say who he is."""
    named = [part.strip() for part in value.split(",") if part.strip()]
    for part in named:
        try:
            ipaddress.ip_network(part)
        except ValueError as error:
            raise ValueError(f"{part} is neither an address nor a network such as 172.16.0.0/12") from error
    return ",".join(named)


def _influx_address(url: str) -> str:
    return influx_servers.address(url) if url else url


InfluxUrl = Annotated[str, AfterValidator(_influx_address)]
PublicUrls = Annotated[str, AfterValidator(influx_servers.renamed)]
Proxies = Annotated[str, AfterValidator(_addresses)]
TokenKey = Annotated[SecretStr, AfterValidator(_key_of_32_bytes)]
TokenKeys = Annotated[SecretStr, AfterValidator(_keys_of_32_bytes)]
LongSecret = Annotated[SecretStr, AfterValidator(_long_secret)]
