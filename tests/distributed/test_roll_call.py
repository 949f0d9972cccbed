"""How hosts come together: who is late, wrong, a stranger, or not like the others, is named to all."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from parties import ABOUT, met, together
from pellucid.core.errors import HostLostError, HostsDifferError, InputError, PellucidError
from pellucid.distributed.meeting import address_of, arrive, meet
from pellucid.distributed.messages import LONGEST, Connection
from pellucid.distributed.relay import free_port


@pytest.fixture
def at():
    return f"127.0.0.1:{free_port()}"


def errors_of(at, arguments, timeout=30.0):
    """Return what each of some hosts raises; arguments are (hosts, host, about)."""

    def attempt(hosts, host, about):
        with pytest.raises(PellucidError) as raised:
            meet(at, hosts, host, about, timeout)
        return raised.value

    return together([lambda a=a: attempt(*a) for a in arguments])


def test_they_meet_and_speak():
    with met(3) as parties:
        assert [(p.host, p.hosts, sorted(p.links)) for p in parties] == [(0, 3, [1, 2]), (1, 3, [0]), (2, 3, [0])]
        said = together([lambda p=p: p.all_say({"I am": p.host}) for p in parties])
        assert said == [[{"I am": 0}, {"I am": 1}, {"I am": 2}]] * 3
        calls = []
        values = together([lambda p=p: p.first_says(lambda: calls.append(p.host) or 0.1) for p in parties])
        assert values == [0.1] * 3
        assert calls == [0]
        content = bytes(range(256)) * 20_000  # several pieces
        assert together([lambda p=p: p.first_sends(content if p.host == 0 else None) for p in parties]) == [content] * 3
        assert together([lambda p=p: p.first_sends(b"") for p in parties]) == [b""] * 3
        assert together([lambda p=p: p.first_sends(None) for p in parties]) == [None] * 3
        together([p.leave for p in parties])
        assert [p.lost for p in parties] == [None] * 3


def test_all_are_told_in_what_they_differ(at):
    other = {**ABOUT, "jax": "3"}
    errors = errors_of(at, [(3, 0, ABOUT), (3, 1, ABOUT), (3, 2, other)])
    assert [type(e) for e in errors] == [HostsDifferError] * 3
    assert len({str(e) for e in errors}) == 1
    assert "host 2: jax is '3', and '2' on host 0" in str(errors[0])


def test_a_host_that_does_not_come_is_named_to_all(at):
    errors = errors_of(at, [(3, 0, ABOUT), (3, 2, ABOUT)], timeout=1.0)
    assert [type(e) for e in errors] == [HostLostError] * 2
    assert all("host 1 did not come" in str(e) for e in errors)


def test_host_0_that_is_not_there(at):
    (error,) = errors_of(at, [(2, 1, ABOUT)], timeout=0.3)
    assert isinstance(error, HostLostError)
    assert f"host 0 did not answer at {at} in 0.3 seconds" in str(error)


def test_wrong_numbers_are_turned_away_and_the_others_meet(at):
    with ThreadPoolExecutor() as threads:
        first = threads.submit(meet, at, 2, 0, ABOUT, 30.0)
        for hosts, host, said in [(3, 1, "host 1 of 3, and this run has 2"), (2, 0, "number 0; expected 1 to 1")]:
            with pytest.raises(InputError, match=said):
                come(at, hosts, host)
        party, _ = meet(at, 2, 1, ABOUT, 30.0)
        (zero, lobby) = first.result()
        with pytest.raises(InputError, match="a second host 1"):
            come(at, 2, 1)
        lobby.close()
        zero.fail("over")
        party.fail("over")


def come(at, hosts, host):
    """Arrive at host 0, also with a number that no host should have."""
    return arrive(at, hosts, host, ABOUT, 30.0)


@pytest.mark.parametrize(
    "nonsense",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x80" * 100 + b"\n", b"[1, 2]\n", b"{}\n", b"[" * (LONGEST + 5), b""],
    ids=["http", "bytes", "list", "empty", "endless", "nothing"],
)
def test_strangers_disturb_nobody(at, nonsense):
    with ThreadPoolExecutor() as threads:
        first = threads.submit(meet, at, 2, 0, ABOUT, 30.0)
        stranger = reach(at)
        stranger.sendall(nonsense)
        other, _ = meet(at, 2, 1, ABOUT, 30.0)
        zero, lobby = first.result()
        assert together([lambda p=p: p.all_say(p.host) for p in (zero, other)]) == [[0, 1]] * 2
        together([zero.leave, other.leave])
        lobby.close()
        stranger.close()


def reach(at):
    """Return a connection, as soon as somebody listens."""
    while True:
        try:
            return socket.create_connection(address_of(at))
        except ConnectionRefusedError:
            continue


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b"SSH-2.0\r\n", InputError), (b"", HostLostError), (b'{"kind": "what"}\n', InputError)],
    ids=["ssh", "closed", "unknown"],
)
def test_something_else_answers(at, answer, kind):
    with socket.create_server(address_of(at)) as listening, ThreadPoolExecutor() as threads:
        coming = threads.submit(come, at, 2, 1)
        answering, _ = listening.accept()
        Connection(answering).receive()
        answering.sendall(answer)
        answering.close()
        with pytest.raises(kind, match=at):
            coming.result()


def test_a_port_that_is_taken(at):
    with socket.create_server(address_of(at)), pytest.raises(InputError, match=f"cannot listen at {at}"):
        meet(at, 2, 0, ABOUT, 1.0)


@pytest.mark.parametrize("wrong", ["", "host", "host:", ":5", "host:x", "host:0", "host:70000", None, 5])
def test_addresses_that_are_none(wrong):
    with pytest.raises(InputError, match="ADDRESS:PORT was expected"):
        address_of(wrong)
