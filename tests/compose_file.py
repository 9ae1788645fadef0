"""compose.yaml as tests read it: merged, variables filled as Compose does, hosts and folders put on this machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PATH = Path(__file__).parents[1] / "compose.yaml"
# ${NAME}, ${NAME:-default}, ${NAME:?message}; a default may hold another one.
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?:(?P<how>:[-?])(?P<rest>(?:[^{}]|\$\{[^{}]*\})*))?\}")


def services() -> dict[str, dict[str, Any]]:
    """Every service with its anchors merged."""
    content: dict[str, Any] = yaml.safe_load(PATH.read_text())
    found: dict[str, dict[str, Any]] = content["services"]
    return found


def filled(text: str, variables: Mapping[str, str]) -> str:
    """``text`` as Compose interpolates it. Raises ``KeyError`` with the message of a required variable."""

    def one(match: re.Match[str]) -> str:
        value = variables.get(match["name"], "")
        if value or match["how"] is None:
            return value
        if match["how"] == ":?":
            raise KeyError(match["rest"])
        return filled(match["rest"], variables)

    return _VARIABLE.sub(one, text)


@dataclass(frozen=True, slots=True)
class OnThisMachine:
    """Where the services' hosts and folders are when there are no containers: text in compose.yaml → text here."""

    places: Mapping[str, str]

    def environment(self, name: str, variables: Mapping[str, str]) -> dict[str, str]:
        """The service's own variables, filled and put here."""
        given: dict[str, str] = services()[name].get("environment", {})
        return {key: self._here(filled(str(value), variables)) for key, value in given.items()}

    def command(self, name: str) -> list[str]:
        """What the service runs: its entry point, else its command."""
        service = services()[name]
        return [self._here(word) for word in service.get("entrypoint") or service["command"]]

    def _here(self, text: str) -> str:
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text
