"""The rest of the table in ``switches``: what nobody owns goes only when it is named, and no key is lost."""

from tests.control import INTEGRATION, control

ORPHANS_TESTS = f"{INTEGRATION}test_orphans.py::test_"
RESEAL_TESTS, KEY_TESTS = f"{INTEGRATION}test_reseal_command.py::test_", f"{INTEGRATION}test_key_at_start.py::test_"

PLACES = (
    control(
        "an orphan is looked at again before it goes",
        "portal.provisioner.orphan_command",
        "        if (one.kind, one.id) == (kind, external_id):\n            return _doomed(server, one, rows, found)\n",
        "        pass\n    return Doomed(server, Stranger(kind, external_id, ''))\n",
        f"{ORPHANS_TESTS}what_has_got_a_row_meanwhile_is_not_touched",
    ),
    control(
        "an organisation stays with what is somebody's in it",
        "portal.provisioner.orphan_command",
        "    if (buckets | tokens) & _somebodys(rows):\n",
        "    if False:\n",
        f"{ORPHANS_TESTS}an_organisation_with_somebodys_bucket_in_it_stays",
    ),
    control(
        "a person is asked before anything goes",
        "portal.provisioner.commands",
        "    if meant:\n        return\n",
        "    return\n",
        f"{ORPHANS_TESTS}a_person_is_asked_before_anything_goes",
    ),
    control(
        "a slip of the pen deletes nothing",
        "portal.provisioner.orphan_command",
        "        if not places:\n",
        "        if False:\n",
        f"{ORPHANS_TESTS}what_is_in_no_list_is_not_looked_for",
    ),
    control(
        "another InfluxDB is not used",
        "portal.provisioner.same_server",
        "        if another:\n",
        "        if False:\n",
        f"{INTEGRATION}test_same_server.py::test_a_server_is_looked_at_again_after_each_silence",
    ),
    control(
        "no process starts with a key that opens nothing",
        "schema.sealed_rows",
        "    if shut:\n",
        "    if False:\n",
        f"{KEY_TESTS}with_the_old_key_beside_the_new_one_it_starts",
    ),
    control(
        "a key that is missing is noticed among others",
        "schema.sealed_rows",
        "select(one.key, one.column).where(*there, key_id == found)",
        "select(one.key, one.column).where(*there)",
        f"{KEY_TESTS}a_key_that_is_missing_is_noticed_among_others",
    ),
    control(
        "a token renewed meanwhile is not undone",
        "portal.provisioner.reseal_command",
        "one.key == key, one.column == sealed",
        "one.key == key",
        f"{RESEAL_TESTS}a_token_that_was_renewed_meanwhile_is_not_undone",
    ),
    control(
        "the old key may go when nothing needs it",
        "portal.provisioner.reseal_command",
        "    if any(counts[Found.OLDER] for counts in left.values()):\n",
        "    if False:\n",
        f"{RESEAL_TESTS}it_says_whether_the_old_key_may_go",
    ),
    control(
        "what no key opens is not given up by itself",
        "portal.provisioner.reseal_command",
        "            elif give_up:\n",
        "            else:\n",
        f"{RESEAL_TESTS}what_no_key_opens_stays_until_it_is_given_up",
    ),
)
