"""Many submissions from one network within an hour are a burst; the network itself is remembered nowhere."""

import pickle
from datetime import timedelta

import pytest

from shared.web.network_bursts import BURST, MAX_NETWORKS, NetworkBursts, client_network
from tests.support.clock import NOW


def test_more_than_twenty_an_hour_are_a_burst() -> None:
    """The first ones of a network are none, whatever comes after them."""
    bursts = NetworkBursts(trusted_proxies=1)

    counted = [bursts.count("192.0.2.1", NOW) for _ in range(BURST + 2)]

    assert counted == [False] * BURST + [True] * 2


@pytest.mark.parametrize(
    ("one", "other"), [("192.0.2.1", "192.0.2.254"), ("2001:db8:1:2::3", "2001:db8:1:ffff::1")]
)
def test_neighbours_are_one_network(one: str, other: str) -> None:
    """Of IPv4 a /24, of IPv6 a /48."""
    bursts = NetworkBursts(trusted_proxies=1)
    for _ in range(BURST):
        bursts.count(one, NOW)

    assert bursts.count(other, NOW)


@pytest.mark.parametrize("other", ["192.0.3.1", "2001:db8:2::1"])
def test_other_networks_are_not_concerned(other: str) -> None:
    """An office that signs together labels nobody elsewhere."""
    bursts = NetworkBursts(trusted_proxies=1)
    for _ in range(BURST + 1):
        bursts.count("192.0.2.1", NOW)

    assert not bursts.count(other, NOW)


def test_an_hour_later_counting_begins_again() -> None:
    """With a new key, so that nothing of the hour before can be recognised."""
    bursts = NetworkBursts(trusted_proxies=1)
    for _ in range(BURST + 1):
        bursts.count("192.0.2.1", NOW)
    before = set(bursts._counts)

    assert not bursts.count("192.0.2.1", NOW + timedelta(hours=1))
    assert not before & set(bursts._counts)


def test_memory_is_bounded() -> None:
    """Beyond the limit, the network that came first makes room."""
    bursts = NetworkBursts(trusted_proxies=1)

    for number in range(MAX_NETWORKS + 10):
        bursts.count(f"10.{number >> 8}.{number & 255}.1", NOW)

    assert len(bursts._counts) == MAX_NETWORKS


def test_no_address_is_kept() -> None:
    """Neither as text nor as bytes."""
    bursts = NetworkBursts(trusted_proxies=1)

    bursts.count("192.0.2.1", NOW)

    kept = pickle.dumps(vars(bursts))
    assert b"192.0.2" not in kept
    assert bytes([192, 0, 2]) not in kept


@pytest.mark.parametrize(
    ("forwarded_for", "trusted_proxies", "network"),
    [
        ("192.0.2.1", 1, b"\xc0\x00\x02"),
        ("203.0.113.9, 192.0.2.1", 1, b"\xc0\x00\x02"),  # the first entry is the client's own text
        ("192.0.2.1,198.51.100.1", 2, b"\xc0\x00\x02"),  # Google: client, balancer
        ("203.0.113.9,192.0.2.1,198.51.100.1", 2, b"\xc0\x00\x02"),
        ("::ffff:192.0.2.1", 1, b"\xc0\x00\x02"),
        ("2001:db8:1:2::3", 1, bytes.fromhex("20010db80001")),
        ("192.0.2.1", 2, None),
        ("unknown", 1, None),
        ("192.0.2.1:80", 1, None),
        ("", 1, None),
    ],
)
def test_the_clients_address_is_what_our_own_proxies_saw(
    forwarded_for: str, trusted_proxies: int, network: bytes | None
) -> None:
    """Whatever a client writes into the header itself stands before that, and is not looked at."""
    assert client_network(forwarded_for, trusted_proxies) == network
