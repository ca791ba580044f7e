"""Which addresses mean uploads."""

from __future__ import annotations

import pytest

from tinode_py.changes import LinkUploads
from tinode_py.core import uploads

ID = "AbCdEfGhI_-"


@pytest.mark.parametrize("tail", ["", ".png", ".tar.gz", "?a=b", "/"])
def test_an_address_names_an_upload(tail):
    assert uploads.named([f"/v0/file/s/{ID}{tail}"]) == (ID,)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "rubbish",
        ID,
        "/v0/file/s/",
        f"/v0/file/s/{ID}A",
        "/v0/file/s/short",
        f"/v0/file/u/{ID}",
        f"http://elsewhere.example/v0/file/s/{ID}",
        f"/v0/file/s/../{ID}",
        "/v0/file/s/äöüäöüäöüäö",
    ],
)
def test_other_addresses_mean_none(address):
    assert uploads.named([address]) == ()
    assert uploads.linked("grp", 1, [address]) == ()


def test_each_counts_once_and_there_is_a_bound():
    assert uploads.named([f"/v0/file/s/{ID}", f"/v0/file/s/{ID}.png"]) == (ID,)
    many = [f"/v0/file/s/{n:011}" for n in range(uploads.MOST + 10)]
    (change,) = uploads.linked("usr", 0, many)
    assert isinstance(change, LinkUploads)
    assert (change.owner, change.seq) == ("usr", 0)
    assert change.uploads == tuple(f"{n:011}" for n in range(uploads.MOST))


REF = b'{"fn":"A","photo":{"type":"png","ref":"/v0/file/s/%b.png"}}' % ID.encode()
INLINE = b'{"fn":"A","photo":{"type":"png","data":"AAAA"}}'


@pytest.mark.parametrize(
    ("before", "after", "attachments", "links"),
    [
        (REF, INLINE, (), ()),  # let go of
        (REF, b'{"fn":"A"}', (), ()),
        (REF, None, (), ()),
        (REF, b'"a text"', (), ()),
        (REF, REF.replace(b"png", b"jpg"), (), (ID,)),  # still referred to
        (REF, REF.replace(b'"A"', b'"B"'), (), None),  # as it was
        (None, INLINE, (), None),
        (b"5", REF, (), None),
        (INLINE, REF, (f"/v0/file/s/{ID}",), (ID,)),
        (REF, REF, (f"/v0/file/s/{ID}",), (ID,)),
        (REF, b'{"photo":5}', (), ()),
        (REF, b'{"photo":{"ref":5}}', (), ()),
    ],
)
def test_a_picture_that_is_replaced_lets_go_of_its_upload(before, after, attachments, links):
    changes = uploads.picture("usrA", before, after, attachments)
    assert changes == (() if links is None else (LinkUploads("usrA", 0, links),))
