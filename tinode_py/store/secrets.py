"""Secrets that all servers on one store have in common."""

from __future__ import annotations

from ..changes import Batch
from ..changes_backend import PutSecret
from ..queries_backend import SecretNamed
from .base import Store

TOKEN_KEY = "token_key"  # signs tokens
CLUSTER_KEY = "cluster_key"  # by which nodes know each other


async def shared_secret(store: Store, name: str, own: bytes) -> bytes:
    """The secret of this name: `own`, if there is none yet. StoreError."""
    await store.commit(Batch((PutSecret(name, own),)))
    kept = await store.fetch(SecretNamed(name))
    assert kept is not None
    return kept
