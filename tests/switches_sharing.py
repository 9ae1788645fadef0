"""The rest of the table in ``switches``: nobody gets a home, or a look at it, that its owner did not mean for him."""

from tests.control import INTEGRATION, control

HAND_OVER_TESTS = f"{INTEGRATION}test_hand_over.py::test_"
GUARDS = f"{INTEGRATION}test_hand_over_guards.py::test_"
DECLINED = f"{INTEGRATION}test_declined.py::test_"
READERS_TESTS = f"{INTEGRATION}test_readers.py::test_"

SHARING = (
    control(
        "an invitation is for one address",
        "portal.sharing.accepting",
        "if account.email_key != row.email_key or account.verified_at is None:",
        "if account.verified_at is None:",
        f"{HAND_OVER_TESTS}another_address_cannot_accept",
    ),
    control(
        "an invitation makes nobody a new account who was disabled",
        "portal.sharing.accepting",
        " and known.disabled_at is None",
        "",
        f"{GUARDS}a_link_lets_nobody_in_whom_an_administrator_keeps_out",
    ),
    control(
        "an invitation works once",
        "portal.sharing.inviting",
        "Invitation.accepted_at.is_(None) & ",
        "",
        f"{READERS_TESTS}a_used_link_does_not_bring_a_look_back",
    ),
    control(
        "an invitation that was declined works no more",
        "portal.sharing.inviting",
        " & Invitation.declined_at.is_(None)",
        "",
        f"{DECLINED}who_says_no_gets_nothing_and_the_inviter_is_told",
    ),
    control(
        "nobody says no for somebody else",
        "portal.sharing.accepting",
        "if account and email_key(account[1]) != row.email_key:",
        "if False:",
        f"{DECLINED}no_is_said_by_whom_it_is_meant_for",
    ),
    control(
        "whom somebody invited in vain is told to him alone",
        "portal.sharing.service",
        "Invitation.invited_by == account_id, ",
        "",
        f"{DECLINED}a_stranger_is_told_nothing_of_who_said_no",
    ),
    *(
        control(
            f"an invitation {what}",
            "portal.sharing.inviting",
            text,
            "",
            f"{HAND_OVER_TESTS}a_link_that_is_over_gives_nothing",
        )
        for what, text in (
            ("can be withdrawn", " & Invitation.revoked_at.is_(None)"),
            ("has an end", " & (Invitation.expires_at > now)"),
            ("of a disabled account is none", ", Account.disabled_at.is_(None)"),
        )
    ),
    control(
        "whoever invites must still be allowed to",
        "portal.sharing.inviting",
        ".where(Owner.id == owner_id, mine, able)",
        ".where(Owner.id == owner_id, able)",
        f"{HAND_OVER_TESTS}a_link_that_is_over_gives_nothing",
    ),
    control(
        "links of invitations are kept as hashes",
        "portal.sharing.inviting",
        "        token_hash=keyed_hash(links.key, token),\n",
        "        token_hash=token,\n",
        f"{HAND_OVER_TESTS}who_is_new_takes_a_home_over_with_a_password_and_nothing_moves",
    ),
    control(
        "the hand-over ends what others had",
        "portal.sharing.accepting",
        "        await session.execute(delete(Grant).where(of_home))\n",
        "        pass\n",
        f"{HAND_OVER_TESTS}a_sold_house_takes_its_readers_along_and_leaves_its_seller_a_home",
    ),
    control(
        "no home is handed over with a stale log-in",
        "portal.sharing.routes",
        '@post(f"{_HOME}/hand-over", guards=[fresh_enough])',
        '@post(f"{_HOME}/hand-over")',
        f"{GUARDS}handing_over_wants_a_fresh_log_in",
    ),
    control(
        "invitations a day",
        "portal.limits",
        "    await ask(connection, INVITATIONS_OF_ONE, str(account_id))\n",
        "",
        f"{GUARDS}nobody_writes_to_the_world_in_our_name",
    ),
    control(
        "a look is ended by its home's owner alone",
        "portal.sharing.service",
        "        Grant.owner_id.in_(homes_of(account_id, now)),\n",
        "",
        f"{HAND_OVER_TESTS}the_installer_acts_no_more_and_the_owner_can_end_his_look",
    ),
    control(
        "a site is nothing to an installer who has lost the role",
        "portal.inverters.grants",
        "or_(Grant.role != Role.INSTALLER, Account.is_installer.is_(True), ~in_progress())",
        "Grant.id.is_not(None)",
        f"{INTEGRATION}test_sites.py::test_who_loses_the_role_finds_nothing",
    ),
    control(
        "no owner puts another one out",
        "portal.sharing.service",
        "        Grant.owner_id.in_(homes_of(account_id, now)),\n        Grant.role != Role.OWNER,\n",
        "        Grant.owner_id.in_(homes_of(account_id, now)),\n",
        f"{READERS_TESTS}no_owner_puts_another_one_out",
    ),
    control(
        "who only looks reads no login",
        "portal.dead_letters.sentences",
        'return _LOGIN_IN_A_TOPIC.sub("deye/…", sentence)',
        "return sentence",
        f"{READERS_TESTS}a_reader_sees_readings_and_nothing_secret",
    ),
    control(
        "a link of whoever stole the account ends with its way back",
        "portal.accounts.changes",
        "    await session.execute(links.where(*waiting).values(revoked_at=now))\n",
        "",
        f"{INTEGRATION}test_account_address.py::test_whom_the_thief_invited_goes_with_him",
    ),
)
