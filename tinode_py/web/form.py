"""Forms with a file, read as they come: fields are kept, the file's bytes are handed on.

`python-multipart` finds the parts. Bounded whatever is sent: fields, their sizes, headers.
The first part named `file` that has a file name is the file; of fields of one name the first
counts; all else is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import parse_qs

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

FILE = "file"
_FIELDS = 64
_FIELD_SIZE = 16_384  # bytes of all fields together


class MalformedForm(Exception):
    """What was sent is no form, or no whole one; the text says why."""


class Form(Protocol):
    """A form that is being read."""

    fields: dict[str, str]
    declared: str | None  # the type that the file's part tells; None: there is no file

    def feed(self, data: bytes) -> None:
        """Read on; MalformedForm."""

    def end(self) -> None:
        """There is no more; MalformedForm if there should be."""


def form_of(content_type: str, take: Callable[[bytes], None]) -> Form:
    """A reader for the body of a request of this type; `take` gets the bytes of the file."""
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data" and options.get(b"boundary"):
        return _Multipart(options[b"boundary"], take)
    if kind == b"application/x-www-form-urlencoded":
        return _UrlEncoded()
    return _NoForm()


class _NoForm:
    """Something else: it is skipped."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.declared: str | None = None

    def feed(self, data: bytes) -> None:
        pass

    def end(self) -> None:
        raise MalformedForm("not a form")


class _UrlEncoded(_NoForm):
    """A form that cannot hold a file."""

    def __init__(self) -> None:
        super().__init__()
        self._text = bytearray()

    def feed(self, data: bytes) -> None:
        self._text += data
        if len(self._text) > _FIELD_SIZE:
            raise MalformedForm("the fields are too long")

    def end(self) -> None:
        try:
            found = parse_qs(self._text.decode("utf-8", "replace"), max_num_fields=_FIELDS)
        except ValueError:
            raise MalformedForm("too many fields") from None
        self.fields.update((name, values[0]) for name, values in found.items())


class _Multipart(_NoForm):
    def __init__(self, boundary: bytes, take: Callable[[bytes], None]) -> None:
        super().__init__()
        self._take = take
        self._parts = 0
        self._size = 0
        self._name = b""  # of the header that is being read
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._field: str | None = None  # the name of the field that is being read
        self._text = bytearray()
        self._in_file = False
        self._ended = False
        try:
            self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]
        except FormParserError as error:
            raise MalformedForm(str(error)) from None

    def _callbacks(self) -> Mapping[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def feed(self, data: bytes) -> None:
        if self._ended:
            return  # what comes after the last part is nobody's business
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise MalformedForm(str(error)) from None

    def end(self) -> None:
        if not self._ended:
            raise MalformedForm("cut off")

    # --- what the parser finds -----------------------------------------------------------

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _FIELDS:
            raise MalformedForm("too many parts")
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        self._in_file = name == FILE and bool(file_name) and self.declared is None
        if self._in_file:
            self.declared = self._headers.get(b"content-type", b"").decode("latin-1")
        elif file_name is None and name not in self.fields:
            self._field, self._text = name, bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._take(data[start:end])
        elif self._field is not None:
            self._size += end - start
            if self._size > _FIELD_SIZE:
                raise MalformedForm("the fields are too long")
            self._text += data[start:end]

    def _part_end(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._text.decode("utf-8", "replace")
        self._field, self._in_file = None, False

    def _end(self) -> None:
        self._ended = True
