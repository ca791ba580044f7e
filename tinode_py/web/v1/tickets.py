"""Tickets, with which a websocket is logged in from the start."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from ...changes import Batch
from ...live.admissions import Given
from ...live.tickets import Admission
from ...queries import LoginByName, UserById
from ...records import State, User
from ...wire.times import time_text
from ..apikey import ApiKeys
from ..handshake import PATH
from .backend import Call, Handler
from .people import external_scheme, user_of
from .problem import Problem
from .shape_server import NewTicket, Ticket
from .shape_users import NewUser
from .users import new_account, optional

_METADATA = 4096  # bytes


async def create_ticket(call: Call) -> Ticket:
    wanted, backend = call.body, call.backend
    if (wanted.user is None) is (wanted.external_id is None):
        raise Problem.field("user", "give `user` or `external_id`, not both")
    metadata = optional(wanted.metadata)
    if metadata is not None and len(metadata) > _METADATA:
        raise Problem.field("metadata", f"longer than {_METADATA} bytes")
    user = await (user_of(call, wanted.user) if wanted.user else _by_external(call, wanted))
    if user.state is not State.OK:
        raise Problem(403, f"the account {user.id} is suspended")
    by = call.caller.by
    if by is not None and by.door != "key":  # whose daily work it is
        await backend.store.commit(Batch(call.deed("ticket.create", user.id)))
    expires = backend.now() + wanted.ttl * 1000
    admission = Admission(user.id, expires, metadata, wanted.attach)
    given = await backend.hub.admissions.give(admission)
    return Ticket(given.ticket, _url(call, given), user.id, time_text(expires))


async def _by_external(call: Call, wanted: NewTicket) -> User:
    """The user of that id, made if there is none."""
    scheme, external = external_scheme(call.caller.realm), wanted.external_id or ""
    row = await call.backend.store.fetch(LoginByName(scheme, external))
    if row is not None:
        user = await call.backend.store.fetch(UserById(row.user))
        if user is None or not call.caller.may_user(user):
            raise Problem(404, f"there is no user {external!r}")
        return user
    if call.caller.narrow:
        raise Problem(404, f"there is no user {external!r}, and a limited key makes none")
    return await new_account(call, NewUser(external_id=external, name=wanted.name))


def _url(call: Call, given: Given) -> str:
    """The address of the node that has the ticket, else where this request came to, as a
    websocket's.
    """
    web = call.backend.settings.web
    key = web.api_keys[0] if web.api_keys else ApiKeys(web.api_salt).make()
    scheme, host = call.request.scope["scheme"], call.request.headers.get("host", "localhost")
    base = (given.url or web.public_url or f"{scheme}://{host}").rstrip("/")
    fields = urlencode({"apikey": key, "ticket": given.ticket})
    return f"ws{base.removeprefix('http')}{PATH}?{fields}"


HANDLERS: Mapping[str, Handler] = {"createTicket": create_ticket}
