from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.outbound.guard import AddressRules, is_public
from stages.contract import Permanent

PUBLIC = [
    "1.1.1.1",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "172.32.0.1",
    "192.0.1.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "2001:200::1",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # IPv4-compatible
    "::ffff:127.0.0.1",
    "::ffff:93.184.215.14",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::7f00:1",  # NAT64
    "64:ff9b:1::1",
    "100::1",
    "2001::1",  # Teredo
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4
    "2620:4f:8000::1",
    "3ffe::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",  # site-local
    "ff02::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_accepted(text: str) -> None:
    AddressRules().require("example.org", [ip_address(text)], 443)


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(Permanent) as caught:
        AddressRules().require("example.org", [ip_address(text)], 80)
    assert caught.value.code == "blocked_address"
    assert text not in str(caught.value)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_never_public(address: object) -> None:
    clothes = ("::ffff:{}", "::{}", "64:ff9b::{}", "::ffff:0:{}")
    assert not any(is_public(ip_address(form.format(address))) for form in clothes)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_is_public_that_python_takes_for_special(address: Any) -> None:
    special = address.is_private or address.is_reserved or address.is_multicast or address.is_link_local
    assert not (special and is_public(address))


@given(st.ip_addresses(v=4, network="127.0.0.0/8") | st.ip_addresses(v=6, network="fc00::/7"))
def test_whole_private_blocks_are_refused(address: object) -> None:
    assert not is_public(ip_address(str(address)))


def test_one_bad_address_spoils_the_host() -> None:
    with pytest.raises(Permanent, match="blocked_address"):
        AddressRules().require("example.org", [ip_address("1.1.1.1"), ip_address("10.0.0.1")], 443)


def test_an_allowed_network_does_not_open_another() -> None:
    rules = AddressRules(allow=(ip_network("127.0.0.0/8"),))
    rules.require("example.org", [ip_address("127.0.0.1")], 80)
    with pytest.raises(Permanent, match="blocked_address"):
        rules.require("example.org", [ip_address("127.0.0.1"), ip_address("10.0.0.1")], 80)


def test_a_named_host_may_have_any_address_and_port_and_no_other_host_may() -> None:
    rules = AddressRules(allow=("wiki.internal",))
    for name in ("wiki.internal", "Wiki.Internal."):
        rules.require(name, [ip_address("10.0.0.1"), ip_address("::1")], 8080)
    for name in ("other.internal", "a.wiki.internal", "wiki.internal.example.org", "10.0.0.1"):
        with pytest.raises(Permanent, match="blocked_address"):
            rules.require(name, [ip_address("10.0.0.1")], 80)


def test_ports_are_limited_on_public_addresses_only() -> None:
    rules = AddressRules(allow=(ip_network("127.0.0.0/8"),))
    rules.require("example.org", [ip_address("127.0.0.1")], 6379)
    with pytest.raises(Permanent, match="blocked_port"):
        rules.require("example.org", [ip_address("1.1.1.1")], 6379)
    with pytest.raises(Permanent, match="blocked_port"):
        rules.require("example.org", [ip_address("127.0.0.1"), ip_address("1.1.1.1")], 6379)
    AddressRules(allow_ports=frozenset({8080})).require("example.org", [ip_address("1.1.1.1")], 8080)
