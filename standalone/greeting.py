"""What stands below the two addresses: how to begin."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from portal.dashboard.sun import elevation, place_of
from standalone import demo_file
from standalone.demo_file import Demo
from standalone.plan import Plan

_BEGIN = "Open the portal and sign up; mails are printed here. Then add your inverter and copy its settings."


def lines(
    plan: Plan, environment: Mapping[str, str], note: str, *, demo: bool, now: datetime | None = None
) -> list[str]:
    """A few lines for the person at the screen; ``note`` is something they should know about this computer."""
    shown = [note] if note else []
    if (elsewhere := environment.get("BASE_URL", plan.portal_url)) != plan.portal_url:
        shown.append(f"From elsewhere: {elsewhere}")
    database = environment["DATABASE_URL"]
    if not database.startswith("sqlite"):
        parts = urlsplit(database)
        shown.append(f"Database: {parts.scheme}://{parts.hostname}{parts.path}")
    if environment.get("INFLUX_URL"):
        shown.append(f"Readings: {environment['INFLUX_URL']}")
    known = demo_file.load(plan.data_dir) if demo else None
    shown += _demo(known, datetime.now(UTC) if now is None else now) if known else [_BEGIN]
    shown.append(f"Data: {plan.data_dir}. Ctrl-C stops everything.")
    return shown


def _demo(known: Demo, now: datetime) -> list[str]:
    """The log-in, where the house stands, and whether it is dark there."""
    city = known.zone.rpartition("/")[2].replace("_", " ")
    shown = [
        f"Log in as {known.email} with the password {known.password}",
        f"Three simulated inverters near {city} are publishing.",
    ]
    place = place_of(known.zone)
    if place and elevation(place, now) < 0:
        shown.append("It is night there now: the curves show what the day has made, and only the battery works.")
    return shown
