"""Parts of what clients send: what a {get} asks for, what a {set} changes. Rules in `parts`."""

from __future__ import annotations

import attrs

from .parts import Credential, DefAcs, Json, SeqRange, Time


@attrs.frozen
class Extra:
    """What goes beside a request.

    - `attachments`: addresses of uploads that the request refers to.
    - `obo`: the user on whose behalf root acts.
    - `authlevel`: that user's level: `auth`, `anon` or `root`.
    """

    attachments: tuple[str, ...] = ()
    obo: str = ""
    authlevel: str = ""


@attrs.frozen
class GetDesc:
    """- `ims`: what has not changed since may be left out.
    - `topic`: accepted, means nothing.
    - `user`, `limit`: accepted to be refused.
    """

    ims: Time | None = None
    user: str = ""
    topic: str = ""
    limit: int = 0


@attrs.frozen
class GetSub:
    """- `ims`: rows that have not changed since come without `public` and `private`.
    - `user`: only this member.
    - `topic`: only this contact (on `me`).
    - `limit`: at most so many rows.
    - `since`, `before`: accepted to be refused (protocol notes, 5.6).
    """

    ims: Time | None = None
    user: str = ""
    topic: str = ""
    limit: int = 0
    since: int = 0
    before: int = 0


@attrs.frozen
class GetData:
    """- `since`: the lowest number wanted.
    - `before`: the number after the highest wanted.
    - `limit`: at most so many, the newest.
    - `ranges`: the numbers wanted, in place of `since` and `before`.
    - `ims`, `user`, `topic`: accepted to be refused (protocol notes, 5.6).
    """

    since: int = 0
    before: int = 0
    limit: int = 0
    ranges: tuple[SeqRange, ...] = ()
    ims: Time | None = None
    user: str = ""
    topic: str = ""


@attrs.frozen
class GetDel:
    """- `since`: the lowest deletion number wanted.
    - `before`: the number after the highest wanted.
    - `limit`: at most so many ranges.
    - `ims`: accepted to be refused.
    """

    since: int = 0
    before: int = 0
    limit: int = 0
    ims: Time | None = None


@attrs.frozen
class GetInbox:
    """Which part of the inbox on `me` (an extension).

    - `since`: the lowest number wanted; without it, only what is new from now on.
    - `limit`: how many items at most, 100 if absent, never more than 1,000.
    """

    since: int = 0
    limit: int = 0


@attrs.frozen
class GetQuery:
    """What to fetch.

    - `what`: words: desc, sub, data, del, tags, cred, aux; on `me` also inbox, sessions.
    - `desc`, `sub`, `data`, `del`, `inbox`: bounds for the word of the same name.
    """

    what: str = ""
    desc: GetDesc | None = None
    sub: GetSub | None = None
    data: GetData | None = None
    del_: GetDel | None = None
    inbox: GetInbox | None = None


@attrs.frozen
class SetDesc:
    """- `defacs`: default access modes.
    - `public`: what everybody may see.
    - `trusted`: what everybody may see and only root may change.
    - `private`: what only the user himself sees.
    """

    defacs: DefAcs | None = None
    public: Json | None = None
    trusted: Json | None = None
    private: Json | None = None


@attrs.frozen
class SetSub:
    """- `user`: whose subscription; absent: one's own.
    - `mode`: the access mode, whole or as a difference.
    """

    user: str = ""
    mode: str = ""


@attrs.frozen
class SetQuery:
    """What to change.

    - `desc`: the description.
    - `sub`: a subscription.
    - `tags`: all tags anew; an empty list is a list.
    - `cred`: a credential to add or to confirm.
    - `aux`: members to merge into the auxiliary data.
    """

    desc: SetDesc | None = None
    sub: SetSub | None = None
    tags: tuple[str, ...] | None = None
    cred: Credential | None = None
    aux: Json | None = None
