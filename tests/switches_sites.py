"""The rest of the table in ``switches``: an installer reaches his own sites alone, a fleet shows what grants show."""

from tests.control import INTEGRATION, control

SITES_TESTS = f"{INTEGRATION}test_sites.py::test_"
FLEET_TESTS = f"{INTEGRATION}test_fleet.py::test_"

SITES = (
    control(
        "sites are for installers",
        "portal.auth",
        "    if not connection.user.is_installer:\n",
        "    if False:\n",
        f"{SITES_TESTS}who_loses_the_role_finds_nothing",
    ),
    control(
        "a site is found by its own installer alone",
        "portal.sites.service",
        "        .where(Owner.id.in_(sites_of(account_id, now)))\n",
        "",
        f"{SITES_TESTS}another_installer_finds_nothing_of_hers",
    ),
    control(
        "what is on the sheet goes with it",
        "portal.sites.routes",
        "        cookies=_forgotten(request),\n",
        "",
        f"{SITES_TESTS}the_sheet_has_all_settings_of_the_site_and_each_secret_once",
    ),
    control(
        "a secret stands on a page once",
        "portal.sites.routes",
        "notes.once_shown()",
        "notes",
        f"{SITES_TESTS}a_device_shows_its_settings_at_once_and_its_secret_once",
    ),
    control(
        "kept secrets are one session's",
        "portal.sites.kept",
        'return f"site:{session_id}:{site_id}"',
        'return f"site:{site_id}"',
        f"{SITES_TESTS}the_sheet_has_all_settings_of_the_site_and_each_secret_once",
    ),
    control(
        "kept secrets have an end",
        "portal.sites.kept",
        "if now <= datetime.fromtimestamp(until, UTC) else NOTHING",
        "if until else NOTHING",
        f"{SITES_TESTS}the_sheet_has_all_settings_of_the_site_and_each_secret_once",
    ),
    control(
        "sites have a limit",
        "portal.sites.service",
        "if len(mine) >= MOST_SITES or await _made_lately(session, account_id, now) >= MOST_NEW:",
        "if False:",
        f"{SITES_TESTS}an_installer_has_so_many_sites_and_no_more",
    ),
    control(
        "a fleet is what grants show",
        "portal.fleet.service",
        "        .where(visible_to(account_id, now))\n",
        "",
        f"{FLEET_TESTS}nobody_finds_what_no_grant_shows",
    ),
    control(
        "who only looks is told nothing of logins",
        "portal.fleet.service",
        "        .where(owned_by(account_id, now))\n",
        "",
        f"{FLEET_TESTS}who_only_looks_is_told_nothing_of_logins_and_claims",
    ),
    control(
        "only the fleet's own notices are told",
        "portal.fleet.service",
        "standing(now).where(acts_for(Notice.owner_id, account_id, now))",
        "standing(now)",
        f"{FLEET_TESTS}who_only_looks_is_told_nothing_of_logins_and_claims",
    ),
)
