"""Accounts: logging in, who may register, addresses to be confirmed, sessions."""

from __future__ import annotations

from typing import Literal

import attrs

from .keys import key, table


@attrs.frozen
class Basic:
    min_login: int = key(4, "Shortest login.", unit="characters", low=1, high=32)
    min_password: int = key(6, "Shortest password.", unit="characters", low=1, high=72)
    hash_memory: int = key(19456, "Memory of one argon2id hash.", unit="KiB", low=8)
    hash_passes: int = key(2, "Passes of one argon2id hash.", low=1, high=100)
    threads: int = key(1, "Passwords checked at the same time.", low=1, high=64)
    waiting: int = key(200, "Passwords waiting to be checked; more are answered 503.", low=1)


@attrs.frozen
class Token:
    expire: int = key(1209600, "Life of a token.", unit="seconds", low=1, high=2**31)
    serial: int = key(1, "Another number makes all tokens invalid.", high=65535)


@attrs.frozen
class Code:
    expire: int = key(900, "Life of a code sent to a person.", unit="seconds", low=1)
    max_retries: int = key(3, "Wrong answers before a code is void.", low=1)
    length: int = key(6, "Digits of a code.", low=4, high=12)


@attrs.frozen
class Invite:
    codes: tuple[str, ...] = key(
        (),
        'Codes that open an account where `auth.registration = "invite"`. A client sends one in'
        ' {acc} as `"cred":[{"meth":"invite","resp":"<code>"}]`. A code may be used any number'
        " of times, until it is taken from this list.",
        secret=True,
    )


@attrs.frozen
class Rest:
    url: str = key("", "Address of a service that knows the accounts; empty: off.")
    allow_new_accounts: bool = key(False, "Whether a first login may open an account.")
    use_separate_endpoints: bool = key(
        False, "Whether the name of the endpoint is appended to the address."
    )
    timeout: float = key(4.0, "Time for one request.", unit="seconds", low=0.1)
    tag_namespaces: tuple[str, ...] = key(
        (),
        "Namespaces of tags that only the service writes, beside those that it names itself"
        " when the server starts.",
    )


@attrs.frozen
class Auth:
    registration: Literal["open", "invite", "closed"] = key(
        "open", "Who may make an account: anybody, who holds an invitation, only the operator."
    )
    anonymous: bool = key(True, "Whether accounts without a login may be made.")
    unvalidated_days: int = key(
        0,
        "An account whose owner has not confirmed a required address for so long, and never came"
        " in, is deleted; 0: never.",
        unit="days",
    )
    anonymous_days: int = key(
        0,
        "An account without a login is deleted so long after its last token has ended; 0: never.",
        unit="days",
    )
    logical_names: tuple[str, ...] = key(
        (),
        "Other names for schemes: with `basic:rest` clients that ask for `basic` are served by"
        " `rest`. With `basic:` nobody is served under that name.",
    )
    basic: Basic = table(Basic, "Logins with a password.")
    token: Token = table(Token, "Tokens, with which clients log in again.")
    code: Code = table(Code, "Codes that confirm an address or a change of password.")
    invite: Invite = table(Invite, "Invitations.")
    rest: Rest = table(Rest, "Accounts that a service outside knows (docs/auth.md).")


@attrs.frozen
class Sessions:
    policy: Literal["many", "one", "one_per_platform"] = key(
        "many", "How many live sessions a user may have."
    )
    on_duplicate: Literal["refuse", "kick_older"] = key(
        "kick_older", "What becomes of one too many: it is refused, or ends the older one."
    )


@attrs.frozen
class Users:
    directory: Literal["contacts", "open"] = key(
        "contacts",
        "Whom a user may see online: those he has a conversation with, or everybody"
        " (`/v1/me/people`, `:olu` and `:pu` of `tinode-py chat`).",
    )
    lobby: str = key(
        "",
        "A group (`grp…`) that everyone joins on registration; empty: none. Its members count:"
        " raise `limits.topic_subscribers`. The log says who did not get in, and why.",
    )


@attrs.frozen
class Validator:
    required: tuple[Literal["auth", "anon"], ...] = key(
        (), "Levels of accounts that need it; none: the validator is off."
    )
    add_to_tags: bool = key(False, "Whether a confirmed value becomes a tag of the account.")
    debug_code: str = key("", "A code accepted beside the real one: tests only.", secret=True)


@attrs.frozen
class EmailValidator(Validator):
    domains: tuple[str, ...] = key((), "Domains that may register; none: any.")


@attrs.frozen
class TelValidator(Validator):
    webhook: str = key("", "Where codes for phone numbers are posted, to be sent from there.")


@attrs.frozen
class Validators:
    email: EmailValidator = table(EmailValidator, "E-mail addresses.")
    tel: TelValidator = table(TelValidator, "Phone numbers.")
