"""What a PromQL expression asks for, by plain reading: enough to notice a name that does not exist. promtool, where it
is installed, checks the rest.
"""

import re
from dataclasses import dataclass, field

FUNCTIONS = frozenset({"absent", "histogram_quantile", "increase", "max", "min", "rate", "sum"})
_WORDS = frozenset({"and", "or", "unless", "by", "on"})
_SELECTOR = re.compile(r"\{((?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*)\}")
_MATCHER = re.compile(r'\s*([a-z_]+)\s*(?:=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_GROUPING = re.compile(r"\b(?:by|on)\s*\(([^()]*)\)")
_DURATION = re.compile(r"\[\d+[smhd]\]")
_NAME = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\()?")


class NotUnderstood(Exception):
    """The expression does not have the shape of PromQL."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The metrics of an expression, and for each label it names the values it is compared with."""

    metrics: frozenset[str]
    labels: dict[str, set[str]] = field(default_factory=dict)


def asked(expression: str) -> Asked:
    """Raises ``NotUnderstood``."""
    labels: dict[str, set[str]] = {}
    for selector in _SELECTOR.findall(expression):
        for name, value in _matchers(selector):
            labels.setdefault(name, set()).add(value)
    bare = _SELECTOR.sub("", expression)
    for grouping in _GROUPING.findall(bare):
        for name in grouping.split(","):
            labels.setdefault(name.strip(), set())
    bare = _DURATION.sub("", _GROUPING.sub(" ", bare))
    if not _balanced(bare) or re.search(r"[\[\]{}\"]", bare):
        raise NotUnderstood(expression)
    return Asked(frozenset(_metrics(bare)), labels)


def _matchers(selector: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    while selector[place:].strip():
        one = _MATCHER.match(selector, place)
        if one is None:
            raise NotUnderstood(selector)
        found.append((one[1], one[2]))
        place = one.end()
    return found


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _metrics(bare: str) -> set[str]:
    names: set[str] = set()
    for name, call in _NAME.findall(bare):
        if call and name not in FUNCTIONS | _WORDS:
            raise NotUnderstood(f"{name}() in {bare}")
        if not call and name not in _WORDS:
            names.add(name)
    return names
