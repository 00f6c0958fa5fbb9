"""Which addresses and ports the open web may be fetched from: unicast minus the IANA's special-purpose registries.

What is public is listed, and everything else is refused, so a form nobody thought of is refused, too: an IPv4 address
in IPv6 clothes (mapped, translated, NAT64), site-local, multicast, unassigned. `ipaddress.is_global` is not asked: it
changes between versions of Python, and lets some of these through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from stages.contract import Permanent

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Allowed = Network | str
"""A network, or the name of a host in lower case."""

WEB_PORTS = frozenset({80, 443})

# https://www.iana.org/assignments/iana-ipv4-special-registry (RFC 6890)
_IPV4_SPECIAL = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform, seen from its machines only; in no registry
        "169.254.0.0/16",  # link-local: metadata of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/3",  # multicast, reserved, broadcast
    )
)
# https://www.iana.org/assignments/iana-ipv6-special-registry
_IPV6_UNICAST = IPv6Network("2000::/3")
_IPV6_SPECIAL = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, AMT, AS112, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 embeds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, returned
        "3fff::/20",  # documentation
    )
)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet.

    >>> from ipaddress import ip_address
    >>> [is_public(ip_address(text)) for text in ("93.184.215.14", "2606:4700::1")]
    [True, True]
    >>> [is_public(ip_address(text)) for text in ("10.0.0.1", "::1", "64:ff9b::a00:1", "::ffff:93.184.215.14")]
    [False, False, False, False]
    """
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _IPV4_SPECIAL)
    return address in _IPV6_UNICAST and not any(address in block for block in _IPV6_SPECIAL)


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Public addresses on the web's ports; any port of the networks and of the named hosts that an operator allows."""

    allow: tuple[Allowed, ...] = ()
    allow_ports: frozenset[int] = WEB_PORTS

    def require(self, host: str, addresses: Sequence[Address], port: int) -> None:
        """Accept a host by all of its addresses, so that a name with one bad address is refused.

        A host that was allowed by its name may have any address. Raises `Permanent` with code `blocked_address` or
        `blocked_port`.
        """
        if host.lower().rstrip(".") in self.allow:
            return
        foreign = [address for address in addresses if not self._is_allowed(address)]
        if not all(is_public(address) for address in foreign):
            raise Permanent("blocked_address")
        if foreign and port not in self.allow_ports:
            raise Permanent("blocked_port")

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self.allow if not isinstance(network, str))


def anywhere(_host: str, _addresses: Sequence[Address], _port: int) -> None:
    """The rule for endpoints an operator configured: none."""
