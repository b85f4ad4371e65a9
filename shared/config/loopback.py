"""Which hosts are this machine itself, reached over no network."""

from ipaddress import IPv6Address, ip_address


def is_loopback(host: str) -> bool:
    """Says whether a name or an address, in brackets or not, is of the loopback interface.

    127.0.0.0/8 (RFC 1122, 3.2.1.3), also mapped into IPv6, ::1, `localhost` and all names below it (RFC 6761, 6.3).
    """
    name = host.lower().removeprefix("[").removesuffix("]").rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    # Only from Python 3.13 on does a mapped address know by itself that it is one of loopback.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
