"""What others use of the codec: bytes in, packets out, and back.

The work is done in `decode`, `encode`, `cbor`, `json_text`, `readers` and `times`.
"""

from __future__ import annotations

from .decode import decode_cbor, decode_json
from .encode import Form, encode, encode_cbor, encode_each, encode_json, encode_page
from .limits import Malformed, NotUtf8, WireLimits
from .times import parse_time, time_text

__all__ = [
    "Form",
    "Malformed",
    "NotUtf8",
    "WireLimits",
    "decode_cbor",
    "decode_json",
    "encode",
    "encode_cbor",
    "encode_each",
    "encode_json",
    "encode_page",
    "parse_time",
    "time_text",
]
