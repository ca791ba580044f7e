"""The cluster's secret, by which nodes without PostgreSQL know each other before they can read the
store: a setting, or a file in the data folder, which the owner of the store makes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..config import ConfigError, Settings
from ..disk import write_secret

FILE = "cluster.secret"
_LENGTH = 32  # bytes, of which the file has the hexadecimal digits
_LEAST = 16  # characters of one that people make


def cluster_secret(
    settings: Settings, random_bytes: Callable[[int], bytes], *, make: bool
) -> bytes:
    """The secret of the settings, or of the file; `make`: the file is made if there is neither.

    Only the owner of the folder can read the file. Blocks for a moment. ConfigError if there is
    none, or it is short.
    """
    key, text = "cluster.secret", settings.cluster.secret
    if not text:
        path = Path(settings.server.data) / FILE
        try:
            if make and not path.exists():
                write_secret(path, random_bytes(_LENGTH).hex() + "\n")
            path.chmod(0o600)
            text = path.read_text("ascii").strip()
        except FileNotFoundError:
            raise ConfigError(
                key, f"is wanted: that of the node that has the store, in its {FILE} (here {path})"
            ) from None
        except OSError as error:
            raise ConfigError(key, f"{path}: {error.strerror}") from None
        except ValueError:
            raise ConfigError(key, f"{path}: is no text") from None
    if len(text) < _LEAST:
        raise ConfigError(key, f"wants {_LEAST} characters at least")
    return text.encode()
