"""Which addresses webhooks may go to."""

from __future__ import annotations

import ipaddress

import pytest

from tinode_py.hooks.address import Forbidden, check_url, is_allowed, networks, resolved


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/a", "https://example.org:8443/?a=b", "http://127.0.0.1:9/"),
        "http://[::1]:80/",
    ],
)
def test_addresses_that_may_be_named(url):
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "ftp://a/", "file:///etc/passwd", "http://", "http:///a", "//a/b"),
        *("http://a:b@example.org/", "http://user@example.org/", "http://example.org:0/"),
        *("http://a:99999/", "http://a b/", "http://\x00/", "http://[::1/"),
        "http://example.org/" + "x" * 3000,
    ],
)
def test_addresses_that_make_no_sense(url):
    with pytest.raises(Forbidden):
        check_url(url)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "64:ff9b:1::1"),
    ],
)
def test_private_addresses_are_refused(address):
    assert not is_allowed(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_public_addresses_are_not(address):
    assert is_allowed(ipaddress.ip_address(address), ())


def test_networks_can_be_allowed():
    allowed = networks(["10.0.0.0/8", "::1/128"])
    for address, fine in (("10.9.9.9", True), ("11.0.0.1", True), ("127.0.0.1", False)):
        assert is_allowed(ipaddress.ip_address(address), allowed) is fine
    assert is_allowed(ipaddress.ip_address("::1"), allowed)
    assert is_allowed(ipaddress.ip_address("::ffff:10.0.0.1"), allowed)
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        networks(["10.0.0.1/8"])


async def test_names_are_looked_up():
    with pytest.raises(Forbidden, match=r"localhost is the private address .*webhooks.networks"):
        await resolved("localhost", 80, ())
    found = await resolved("localhost", 80, networks(["127.0.0.0/8", "::1/128"]))
    assert found in ("127.0.0.1", "::1")
    with pytest.raises(OSError):  # noqa: PT011
        await resolved("no-such-host.invalid", 80, ())
