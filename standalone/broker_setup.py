"""Prepares the local broker's folder: filled configuration, ACL, and a user who can read them.

Started as root the broker becomes another user before it reads its files, and in a folder that only root may enter it
would die at the first of them (measured). So root hands the folder to the user ``mosquitto``, but only after trying
that this user can reach it; where it cannot, or does not exist, the broker stays root and says so.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from schema.broker_files import (
    ACL,
    APPLIED,
    BRIDGE_LISTENER,
    CONFIGURATION,
    GENERATION,
    PASSWORDS,
    connections,
    render,
)
from standalone.broker_program import persistence, raise_open_files

BROKER_USER = "mosquitto"
TEMPLATES = Path(__file__).resolve().parent.parent / "mosquitto"


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """Who runs the broker. ``start_as`` names the user a root supervisor switches to, None where it stays as it is."""

    name: str
    start_as: str | None
    note: str = ""


def choose_user(folder: Path, *, is_root: bool) -> BrokerUser:
    """The user for a broker in ``folder``, which exists. Changes the folder's owner only to the user it returns."""
    if not is_root:
        return BrokerUser(pwd.getpwuid(os.getuid()).pw_name, None)
    try:
        pwd.getpwnam(BROKER_USER)
    except KeyError:
        return BrokerUser("root", None, f"There is no user {BROKER_USER} here, so the broker runs as root.")
    if not _can_enter(folder.parent):
        return BrokerUser(
            "root",
            None,
            f"The user {BROKER_USER} cannot reach {folder}, so the broker runs as root; a DATA_DIR like "
            "/srv/deye-hard would let it run with fewer rights.",
        )
    return BrokerUser(BROKER_USER, BROKER_USER)


def _can_enter(folder: Path) -> bool:
    """Whether the broker's user gets into ``folder``, by trying it: modes alone do not tell."""
    tried = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)],
        user=BROKER_USER,
        group=pwd.getpwnam(BROKER_USER).pw_gid,
        extra_groups=[],
        cwd="/",
        check=False,
        capture_output=True,
    )
    return tried.returncode == 0


def prepare(folder: Path, user: BrokerUser, program: str, *, port: int, bridge_port: int) -> Path:
    """Write ACL and configuration for ``program`` below ``folder``, which becomes ``user``'s; the latter's path."""
    folder.chmod(0o750)
    kept = persistence(program, folder)
    template = "".join((TEMPLATES / name).read_text() for name in (CONFIGURATION, kept.template, BRIDGE_LISTENER))
    text = render(
        template,
        port=port,
        folder=folder,
        user=user.name,
        bridge_port=bridge_port,
        plugin=kept.plugin,
        most_connections=connections(raise_open_files()),
    )
    _replace(folder / CONFIGURATION, text)
    _replace(folder / ACL, (TEMPLATES / ACL).read_text())
    if os.geteuid() == 0:
        owner = pwd.getpwnam(user.name)
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    return folder / CONFIGURATION


def _replace(path: Path, text: str) -> None:
    """Write a whole new file. The broker's user owns the folder: a link it left there must not lead root elsewhere."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o640)
        file.write(text)
    draft.replace(path)


def generation(folder: Path) -> int | None:
    """The generation whose load is asked for; None where there is none, or the disk does not say now."""
    try:
        text = (folder / GENERATION).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def write_applied(folder: Path, loaded: int) -> None:
    """Tell the provisioner what the broker has loaded."""
    _replace(folder / APPLIED, f"{loaded}\n")


__all__ = ["PASSWORDS", "BrokerUser", "choose_user", "generation", "prepare", "write_applied"]
