"""What stands below the two addresses: how to begin."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from standalone import demo_file
from standalone.plan import Plan


def lines(plan: Plan, environment: Mapping[str, str], note: str, *, demo: bool) -> list[str]:
    """A few lines for the person at the screen; ``note`` is something they should know about this computer."""
    shown = [note] if note else []
    database = environment["DATABASE_URL"]
    if not database.startswith("sqlite"):
        parts = urlsplit(database)
        shown.append(f"Database: {parts.scheme}://{parts.hostname}{parts.path}")
    if environment.get("INFLUX_URL"):
        shown.append(f"Readings: {environment['INFLUX_URL']}")
    known = demo_file.load(plan.data_dir) if demo else None
    if known:
        shown.append(f"Log in as {known.email} with the password {known.password}")
        shown.append(
            f"Three simulated inverters near {known.zone.rpartition('/')[2].replace('_', ' ')} are publishing."
        )
    else:
        shown.append(
            "Open the portal and sign up; mails are printed here. Then add your inverter and copy its settings."
        )
    shown.append(f"Data: {plan.data_dir}. Ctrl-C stops everything.")
    return shown
