"""What becomes of the others when a host dies, hangs, fails or leaves."""

import contextlib
import threading

import pytest

from parties import Ended, met, together
from pellucid.core.errors import HostLostError
from pellucid.distributed import messages


def assert_lost(party, said):
    assert party.wait_for_loss(30)
    with pytest.raises(HostLostError, match=said):
        party.check()


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_host_that_dies_is_missed_by_all(victim):
    with met(3) as parties:
        parties[victim]._over.set()  # who is dead does not tell one that it lost another
        for link in parties[victim].links.values():
            link.close()  # as the system does for a process that is killed
        for party in parties:
            if party.host != victim:
                assert_lost(party, f"host {victim} .* is gone: its connection was closed")


def test_what_waits_for_a_word_is_woken():
    with met(2) as (zero, one):
        waiting = threading.Event()

        def wait():
            waiting.set()
            with pytest.raises(HostLostError, match="host 0"):
                one.first_says(int)
            return True

        def die():
            waiting.wait()
            zero.links[1].close()
            return True

        assert together([wait, die]) == [True, True]


def test_a_silent_host_is_gone(monkeypatch):
    monkeypatch.setattr("pellucid.distributed.meeting.SILENCE", 0.5)
    monkeypatch.setattr("pellucid.distributed.party.Party._beat", lambda *_: None)
    with met(2) as parties:
        for party in parties:  # whichever was the first to notice tells the other
            assert_lost(party, "host [01] .* is gone: it was silent")


def test_beats_keep_a_host_that_has_nothing_to_say(monkeypatch):
    monkeypatch.setattr("pellucid.distributed.meeting.SILENCE", 1.0)
    monkeypatch.setattr("pellucid.distributed.party.BEAT", 0.05)
    heard = threading.Semaphore(0)
    receive = messages.Connection.receive

    def listen(self):
        message = receive(self)
        heard.release()
        return message

    monkeypatch.setattr(messages.Connection, "receive", listen)
    with met(2) as parties:
        for _ in range(60):  # more than three times as long as silence may last, with two who listen
            assert heard.acquire(timeout=30)
        assert [party.lost for party in parties] == [None, None]


def test_why_a_host_has_failed_is_said_to_all():
    with met(3) as parties:
        parties[2].fail("its disk is full")
        for party in parties[:2]:
            assert_lost(party, "host 2 has stopped: its disk is full")
            assert "started again" in str(party.lost)


def test_where_the_training_was_is_part_of_the_message():
    with met(2) as (zero, one):
        zero.where = lambda: " after step 7"
        one.fail("it was interrupted")
        assert_lost(zero, "interrupted after step 7; the run goes on")


def test_a_process_that_does_not_look_is_ended():
    ended = Ended()
    with met(2, grace=0.1, ending=ended) as (zero, one):
        one.links[0].close()
        assert ended.happened.wait(30)
        assert "host 1" in ended.message or "host 0" in ended.message
        assert zero.wait_for_loss(30)


def test_a_process_that_has_noticed_is_left_alone():
    ended = Ended()
    with met(2, grace=60.0, ending=ended) as (zero, one):
        one.fail("over")
        assert_lost(zero, "over")
        zero._guard()
        assert not ended.happened.is_set()


def test_who_leaves_in_order_is_not_missed():
    with met(3) as parties:
        together([party.leave for party in parties])
        assert [party.lost for party in parties] == [None] * 3


def test_a_word_that_does_not_come_any_more():
    with met(2) as (zero, one):
        leaving = threading.Thread(target=one.leave)
        leaving.start()
        with pytest.raises(HostLostError, match="host 1 has left"):
            zero.all_say(1)
        zero.leave()
        leaving.join()


@pytest.mark.parametrize(
    "wrong", [b"nonsense\n", b'{"kind": "value", "bytes": -1}\n', b'{"kind": "value", "bytes": "x"}\n']
)
def test_nonsense_in_the_middle_is_the_end(wrong):
    with met(2) as (zero, one):
        one.links[0].socket.sendall(wrong)
        assert_lost(zero, "sent what is no message")


def test_a_promise_of_more_bytes_than_memory():
    with met(2) as (zero, one):
        with contextlib.suppress(OSError):
            one.links[0].send({"kind": "value", "bytes": 2**60})
        assert_lost(zero, "memory")
