"""The wire's contract as files: JSON Schema, CDDL and the page docs/packets.md.

`python -m tinode_py.wire.contract` writes them anew, in a checkout; a test holds the files equal
to the classes of packets.
"""

from __future__ import annotations

import json
from pathlib import Path

from .limits import WireLimits
from .reference import reference
from .schema_cddl import cddl
from .schema_json import client_schema, server_schema


def contract_files() -> dict[str, str]:
    """Each file's text by its path in the checkout, for the default limits."""
    limits = WireLimits()
    return {
        "schema/wire/client.schema.json": _json_text(client_schema(limits)),
        "schema/wire/server.schema.json": _json_text(server_schema()),
        "schema/wire/packets.cddl": cddl(),
        "docs/packets.md": reference(limits),
    }


def write(root: Path) -> None:
    """Write all files below `root`."""
    for path, text in contract_files().items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _json_text(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write(Path(__file__).parents[2])
