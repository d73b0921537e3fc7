from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.net.address import AllowList, is_public

# First, last, and the public neighbours before and after, where there are any.
RANGES = [
    ("0.0.0.0", "0.255.255.255", None, "1.0.0.0"),
    ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
    ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
    ("168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"),
    ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
    ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
    ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
    ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
    ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
    ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
    ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
    ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
    ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
    ("224.0.0.0", "239.255.255.255", "223.255.255.255", None),
    ("240.0.0.0", "255.255.255.255", None, None),
    ("::", "::", None, None),
    ("::1", "::1", None, None),
    ("::0.0.0.0", "::255.255.255.255", None, None),
    ("::ffff:0.0.0.0", "::ffff:255.255.255.255", None, None),
    ("64:ff9b::", "64:ff9b::ffff:ffff", None, None),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", None, None),
    ("100::", "100::ffff:ffff:ffff:ffff", None, None),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff::", "2001:200::"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db9::"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff::", "2003::"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff::", "3fff:1000::"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
    ("4000::", "ffff::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
]


@pytest.mark.parametrize(("first", "last", "before", "after"), RANGES)
def test_a_refused_range_ends_exactly_at_its_first_and_last_address(
    first: str, last: str, before: str | None, after: str | None
) -> None:
    assert not is_public(ip_address(first))
    assert not is_public(ip_address(last))
    assert before is None or is_public(ip_address(before))
    assert after is None or is_public(ip_address(after))


@pytest.mark.parametrize(
    "metadata", ["169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254"]
)
def test_metadata_services_of_clouds_are_not_public(metadata: str) -> None:
    assert not is_public(ip_address(metadata))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"]
)
def test_addresses_of_well_known_sites_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_public_only_if_python_thinks_it_global(ip: IPv4Address) -> None:
    assert not is_public(ip) or (ip.is_global and not ip.is_multicast)


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_public_only_if_python_thinks_it_global(ip: IPv6Address) -> None:
    assert not is_public(ip) or (ip.is_global and not ip.is_multicast)


@given(st.ip_addresses(network=IPv6Network("2a00::/12")))
def test_addresses_given_out_by_a_registry_are_public(ip: IPv6Address) -> None:
    assert is_public(ip)


@given(st.ip_addresses(network=IPv4Network("0.0.0.0/0")))
def test_an_ipv4_address_hidden_in_an_ipv6_one_is_refused_whatever_it_is(ip: IPv4Address) -> None:
    hidden = [
        f"::{ip}",
        f"::ffff:{ip}",
        f"64:ff9b::{ip}",
        str(IPv6Address((0x2002 << 112) | (int(ip) << 80))),
    ]
    assert not any(is_public(ip_address(address)) for address in hidden)


def test_an_address_with_a_scope_is_refused() -> None:
    assert not is_public(ip_address("fe80::1%eth0"))
    assert not is_public(ip_address("2606:4700::1111%eth0"))


def test_an_allowlist_permits_its_pairs_and_nothing_else() -> None:
    allow = AllowList.parse(["127.0.0.1:8080", "DB.internal:443", "[::1]:80", " localhost:1 "])
    assert allow.permits("127.0.0.1", 8080)
    assert allow.permits("db.INTERNAL", 443)
    assert allow.permits("::1", 80)
    assert allow.permits("localhost", 1)
    assert not allow.permits("127.0.0.1", 8081)
    assert not allow.permits("localhost", 8080)
    assert not allow.permits("db.internal.", 443)


def test_an_empty_allowlist_permits_nothing() -> None:
    assert not AllowList().permits("localhost", 80)


def test_an_allowlist_writes_an_ipv6_literal_and_a_foreign_name_like_the_url_does() -> None:
    allow = AllowList.parse(["[0:0:0:0:0:0:0:1]:80", "münchen.internal:80"])
    assert allow.permits("::1", 80)
    assert allow.permits("xn--mnchen-3ya.internal", 80)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:http",
        "localhost:-1",
        "localhost:٨٠",
        ":80",
        "::1:80",
        "[::1]",
        "[localhost]:80",
        "[:::]:80",
        "*:80",
        "*.internal:80",
        "http://localhost:80",
        "user@localhost:80",
        "local host:80",
        "10.0.0.0/8:80",
    ],
)
def test_an_allowlist_entry_that_does_not_read_host_and_port_is_named_in_the_error(entry: str) -> None:
    with pytest.raises(ValueError, match="must read host:port") as caught:
        AllowList.parse(["ok:80", entry])
    assert repr(entry) in str(caught.value)


def test_all_faults_of_an_allowlist_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match=r"'one'.*'two'"):
        AllowList.parse(["one", "fine:80", "two"])
