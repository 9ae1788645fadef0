"""Every field of a form that takes any text: the column that keeps it, and why some keep nothing.

``test_closed_buttons`` compares the table with the forms of all pages, so a new field fails there; what is named here
is filled with payloads and shown in a browser by ``browser/test_scripting``.
"""

from sqlalchemy.orm import InstrumentedAttribute

from schema.models import (
    Account,
    ApiKey,
    Collector,
    FormerSerial,
    FoundDevice,
    Inverter,
    Invitation,
    Login,
    Owner,
    SerialRequest,
)

KEPT: dict[tuple[str, str], InstrumentedAttribute[str] | InstrumentedAttribute[str | None]] = {
    ("/account/email", "email"): Account.email,
    ("/account/keys", "name"): ApiKey.name,
    ("/account/profile", "display_name"): Account.display_name,
    ("/admin/collectors", "name"): Collector.name,
    ("/admin/collectors/{collector_id:uuid}/change", "name"): Collector.name,
    ("/homes/{owner_id:uuid}/hand-over", "email"): Invitation.email,
    ("/homes/{owner_id:uuid}/invite", "email"): Invitation.email,
    ("/inverters", "name"): Inverter.name,
    ("/inverters", "serial"): Inverter.serial,
    ("/inverters/{inverter_id:uuid}/edit", "name"): Inverter.name,
    ("/inverters/{inverter_id:uuid}/edit", "sw_version"): Inverter.sw_version,
    ("/inverters/{inverter_id:uuid}/logins/name", "label"): Login.label,
    ("/inverters/{inverter_id:uuid}/pairing/logins", "label"): Login.label,
    ("/inverters/{inverter_id:uuid}/serial/change", "serial"): FormerSerial.serial,
    ("/signup", "email"): Account.email,
    ("/sites", "name"): Owner.name,
    ("/sites/{site_id:uuid}/devices", "name"): Inverter.name,
    ("/sites/{site_id:uuid}/devices", "serial"): Inverter.serial,
}
# Nobody types these into a form of ours, but somebody chooses them.
SENT = (FoundDevice.selector, FoundDevice.serial, SerialRequest.serial)
_SEARCHES = ("claims", "collectors", "inverters", "jobs", "log", "mails", "orphans", "users")
NOT_KEPT = {
    ("/account/profile", "time_zone"): "one of a list",
    ("/account/security/on", "code"): "six digits",
    ("/admin/collectors", "networks"): "networks in their own spelling",
    ("/admin/collectors/{collector_id:uuid}/change", "networks"): "networks in their own spelling",
    ("/admin/dead-letters", "login"): "a search",
    ("/admin/log", "who"): "a search",
    ("/fleet", "q"): "a search",
    ("/inverters/{inverter_id:uuid}/edit", "number_of_mppts"): "a number",
    ("/inverters/{inverter_id:uuid}/edit", "rated_power_w"): "a number",
    ("/login", "email"): "compared",
    ("/reset", "email"): "compared",
    ("/verify/again", "email"): "compared",
    **{(f"/admin/{which}", "q"): "a search" for which in _SEARCHES},
}
