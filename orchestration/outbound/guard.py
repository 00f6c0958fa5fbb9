"""Which addresses and ports the open web may be fetched from.

Special-purpose blocks are those of the IANA registries (RFC 6890). `ipaddress.is_global` alone lets some through.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from stages.contract import Permanent

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

WEB_PORTS = frozenset({80, 443})

_IPV4_NOT_PUBLIC = tuple(
    IPv4Network(block)
    for block in (
        "100.64.0.0/10",  # carrier-grade NAT
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarking
        "224.0.0.0/3",  # multicast, reserved
    )
)
_IPV6_UNICAST = IPv6Network("2000::/3")
_IPV6_NOT_PUBLIC = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 embeds an IPv4 address
        "3fff::/20",  # documentation
    )
)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet.

    >>> from ipaddress import ip_address
    >>> [is_public(ip_address(text)) for text in ("93.184.215.14", "2606:4700::1", "::ffff:93.184.215.14")]
    [True, True, True]
    >>> [is_public(ip_address(text)) for text in ("10.0.0.1", "::1", "64:ff9b::a00:1", "::ffff:127.0.0.1")]
    [False, False, False, False]
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in block for block in _IPV4_NOT_PUBLIC)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    return address in _IPV6_UNICAST and not any(address in block for block in _IPV6_NOT_PUBLIC)


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Public addresses on the web's ports; any port of the networks an operator allows."""

    allow_networks: tuple[Network, ...] = ()
    allow_ports: frozenset[int] = WEB_PORTS

    def require(self, addresses: Sequence[Address], port: int) -> None:
        """Accept a host by all of its addresses, so that a name with one bad address is refused.

        Raises `Permanent` with code `blocked_address` or `blocked_port`.
        """
        foreign = [address for address in addresses if not self._is_allowed(address)]
        if not all(is_public(address) for address in foreign):
            raise Permanent("blocked_address")
        if foreign and port not in self.allow_ports:
            raise Permanent("blocked_port")

    def _is_allowed(self, address: Address) -> bool:
        return any(_plain(address) in network for network in self.allow_networks)


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def anywhere(_addresses: Iterable[Address], _port: int) -> None:
    """The rule for endpoints an operator configured: none."""
