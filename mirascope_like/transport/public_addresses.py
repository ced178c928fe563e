"""Tell public IP addresses from those that may lead into a private network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Not public, in addition to those that `ipaddress` knows (fewer in older versions of Python): protocol assignments,
# where Oracle Cloud serves its metadata, and the address at which Azure serves credentials to its machines.
_INTERNAL_NETWORKS = (IPv4Network("192.0.0.0/24"), IPv4Network("168.63.129.16/32"))
# The only IPv6 addresses assigned to hosts on the Internet (RFC 4291, section 2.4).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Address translators forward these to the IPv4 address in their last 32 bits (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")


def resolve_host(host: str, port: int) -> list[str]:
    """Look up a host and return its addresses, best first. Blocks.

    Raises `OSError`, or `UnicodeError` for a host that cannot be a name.
    """
    import socket

    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Return True if an IP address is reachable from anywhere on the Internet. Loopback, link-local, private, shared,
    multicast, reserved and unspecified addresses are not; an IPv6 form of an IPv4 address counts as that address."""
    ip = ip_address(address)
    return _is_public_ipv4(ip) if isinstance(ip, IPv4Address) else _is_public_ipv6(ip)


def _is_public_ipv4(ip: IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _INTERNAL_NETWORKS)


def _is_public_ipv6(ip: IPv6Address) -> bool:
    inner = ip.ipv4_mapped or ip.sixtofour
    if ip in _NAT64:
        inner = IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner is not None:
        return _is_public_ipv4(inner)
    return ip in _GLOBAL_UNICAST and ip.is_global
