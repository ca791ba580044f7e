"""Who may open an account: anybody, who holds an invitation, or nobody.

An invitation is one of `auth.invite.codes`. A client sends it in {acc} as
`"cred":[{"meth":"invite","resp":"<code>"}]`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from .. import errors
from ..errors import Refused
from ..settings.accounts import Auth

METHOD = "invite"


def check_registration(rules: Auth, offered: Iterable[tuple[str, str]]) -> None:
    """Refused if an account may not be opened. `offered` are pairs of method and response.

    403 where registration is closed; 422 naming the credential where no invitation came; 406
    where it is none of ours.
    """
    if rules.registration == "open":
        return
    if rules.registration == "closed":
        raise Refused(errors.DENIED)
    codes = [response for method, response in offered if method == METHOD]
    if not codes:
        raise Refused(errors.POLICY, {"creds": [METHOD]})
    if not any(_same(code, valid) for code in codes for valid in rules.invite.codes):
        raise Refused(errors.INVALID_RESPONSE, {"what": METHOD})


def _same(code: str, valid: str) -> bool:
    return hmac.compare_digest(code.encode(), valid.encode())
