from __future__ import annotations

import pytest

from tinode_py import errors
from tinode_py.access import Level
from tinode_py.auth.anonymous import Anonymous
from tinode_py.auth.base import Origin, Scheme
from tinode_py.errors import Refused


async def test_it_opens_an_account_and_keeps_nothing() -> None:
    scheme: Scheme = Anonymous()
    assert scheme.level is Level.ANON
    assert await scheme.enroll("usrAAAAAAAAAAE", b"", Origin()) is None


async def test_it_never_logs_in() -> None:
    with pytest.raises(Refused) as caught:
        await Anonymous().log_in(b"", Origin(), 0)
    assert caught.value.answer is errors.NOT_IMPLEMENTED


async def test_an_operator_may_forbid_it() -> None:
    with pytest.raises(Refused) as caught:
        await Anonymous(allowed=False).enroll("usrAAAAAAAAAAE", b"", Origin())
    assert caught.value.answer is errors.DENIED
