"""``pc.distributed``: what a program sees of its hosts, and what is wrong before any is met."""

import contextlib
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pellucid as pc
from parties import met, together
from pellucid import distributed
from pellucid.core.errors import HostLostError, HostsDifferError, InputError, MissingExtraError
from pellucid.distributed import surroundings
from pellucid.distributed.surroundings import Place

SLURM = {
    "SLURM_JOB_ID": "4097",
    "SLURM_STEP_NODELIST": "node[01-04]",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
}


@pytest.fixture
def joined(monkeypatch):
    """Return a function that makes this process one of two hosts; the other is a party that the test drives."""
    with contextlib.ExitStack() as ending:

        def join(host):
            parties = ending.enter_context(met(2, ending=lambda message: None))
            monkeypatch.setattr(distributed._joined, "party", parties[host])
            return parties[1 - host]

        yield join


def with_other(own, other):
    with ThreadPoolExecutor() as threads:
        theirs = threads.submit(other)
        return own(), theirs.result()


def test_numbers(joined):
    joined(1)
    assert (distributed.hosts(), distributed.host(), distributed.is_first()) == (2, 1, False)


@pytest.mark.parametrize(
    "value",
    [3, 0.1, "text", None, True, {"loss": 0.1 + 0.2, "seen": [1, {"deep": None}]}, [], {}],
    ids=repr,
)
def test_plain_data_from_the_first(joined, value):
    first = joined(1)
    found, _ = with_other(
        lambda: distributed.from_first(lambda: pytest.fail("another host than the first was asked")),
        lambda: first.first_says(lambda: distributed._packed(value)),
    )
    assert found == value
    assert type(found) is type(value)


def test_arrays_from_the_first_keep_every_bit(joined):
    first = joined(1)
    counts = {
        "confusion": np.array([[1, 2], [3, 4]], "int64"),
        "loss": np.float32(0.1),
        "nan": np.array([np.nan, np.inf]),
    }
    found, _ = with_other(
        lambda: distributed.from_first(dict), lambda: first.first_says(lambda: distributed._packed(counts))
    )
    for key, value in counts.items():
        assert found[key].dtype == value.dtype
        np.testing.assert_array_equal(found[key], value)


def test_what_the_first_says_may_be_long(joined):
    first = joined(1)
    counts = np.arange(600.0 * 600).reshape(600, 600)
    found, _ = with_other(
        lambda: distributed.from_first(lambda: None), lambda: first.first_says(lambda: distributed._packed(counts))
    )
    np.testing.assert_array_equal(found, counts)


def test_what_differs_is_said(joined):
    first = joined(1)

    def compare():
        with pytest.raises(HostsDifferError, match="host 1: data is 'b', and 'a' on host 0"):
            distributed.compare({"data": "b"})

    with_other(compare, lambda: first.all_say({"data": "a"}))
    with_other(lambda: distributed.compare({"data": "a"}), lambda: first.all_say({"data": "a"}))


def test_a_file_of_the_first_is_there_for_a_while(joined, tmp_path):
    first = joined(1)

    def read():
        with distributed.file_of_first(tmp_path / "model") as path:
            content = path.read_bytes()
        return content, path.exists(), path.parent == tmp_path

    assert with_other(read, lambda: first.first_sends(b"weights"))[0] == (b"weights", False, False)


def test_files_that_come_before_they_are_asked_for_are_told_apart(joined, tmp_path):
    first = joined(1)
    for content in (b"weights", None, b"", b"others"):
        first.first_sends(content)
    first.first_says(lambda: "the last")
    inbox = distributed._joined.party._inbox[0]
    while inbox.qsize() < 5:
        time.sleep(0.01)

    def read():
        with distributed.file_of_first(tmp_path / "model") as path:
            return None if path is None else path.read_bytes()

    assert [read() for _ in range(4)] == [b"weights", None, b"", b"others"]


def test_a_file_that_the_first_has_not(joined, tmp_path):
    first = joined(1)
    (tmp_path / "model").write_bytes(b"another host's, which counts for nothing")

    def read():
        with distributed.file_of_first(tmp_path / "model") as path:
            return path

    assert with_other(read, lambda: first.first_sends(None))[0] is None


def test_the_first_reads_its_own_file(joined, tmp_path):
    other = joined(0)
    (tmp_path / "model").write_bytes(b"weights")

    def read():
        with distributed.file_of_first(tmp_path / "model") as path:
            return path

    assert with_other(read, lambda: other.first_sends(None)) == (tmp_path / "model", b"weights")


def test_an_error_that_a_lost_host_explains(joined):
    other = joined(0)

    def collective():
        with distributed.watched(lambda: " after step 3"):
            other.fail("it was interrupted")
            raise ValueError("Gloo all-reduce failed")

    with pytest.raises(HostLostError, match="host 1 has stopped: it was interrupted after step 3"):
        collective()


def test_an_error_that_nothing_explains(joined, monkeypatch):
    joined(0)
    monkeypatch.setattr(distributed._joined.party, "wait_for_loss", lambda: False)
    with pytest.raises(ValueError, match="mine"), distributed.watched():
        raise ValueError("mine")


def test_callbacks_that_write_leave_it_to_the_first(joined, tmp_path, monkeypatch):
    first = joined(1)
    blocks = 3
    x = np.linspace(-1, 1, 8, dtype="float32").reshape(8, 1)
    model = pc.Model(pc.Sequential(pc.layers.Dense(1)), "mse", "sgd")
    keep = [
        pc.callbacks.ModelCheckpoint(tmp_path / "{epoch}"),
        pc.callbacks.CSVLogger(tmp_path / "csv"),
        pc.callbacks.BackupAndRestore(tmp_path / "backup"),
    ]

    def lead():
        first.first_sends(None)
        for _ in range(blocks):
            first.first_says(lambda: 1)

    history, _ = with_other(lambda: model.fit(x, 2 * x, epochs=3, batch_size=8, callbacks=keep, verbose=2), lead)
    assert len(history.epoch) == 3
    assert list(tmp_path.iterdir()) == []


def test_without_jax(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pellucid\[xla\]'"):
        distributed.initialize("127.0.0.1:5", 2, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("127.0.0.1:5", 2, 2), "the last is 1"),
        (("127.0.0.1:5", 0, 0), "hosts is 0"),
        (("127.0.0.1:5", 2, -1), "host is -1"),
        (("127.0.0.1", 2, 0), "ADDRESS:PORT"),
        ((None, 2, 0), "coordinator is None"),
        (("127.0.0.1:5", None, 0), "hosts is None"),
        ((), "no scheduler"),
    ],
)
def test_wrong_arguments(arguments, said):
    with pytest.raises(InputError, match=said):
        distributed.initialize(*arguments, timeout=0.1)
    assert distributed.hosts() == 1


def test_the_environment_of_a_scheduler(monkeypatch):
    assert not distributed.under_scheduler()
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert distributed.under_scheduler()
    assert surroundings.place_in_environment() == Place(f"node01:{4097 % 4096 + 61440}", 4, 2, [0])
    with pytest.raises(InputError, match="has started 4 processes, and 3 hosts"):
        distributed.initialize(hosts=3)


def test_a_name_that_others_cannot_reach(monkeypatch):
    monkeypatch.setattr("socket.gethostbyname", lambda name: "127.0.1.1")
    surroundings.check_name("127.0.0.1")
    with pytest.raises(InputError, match="/etc/hosts"):
        surroundings.check_name("10.0.0.2")


def test_alone_nothing_is_asked(tmp_path):
    assert distributed.from_first(lambda: 5) == 5
    distributed.compare({"a": object()})
    with distributed.watched(), distributed.file_of_first(tmp_path / "none") as path:
        assert path is None
    distributed.check()
    distributed.shutdown()
    distributed.leave_process(3)
    assert together([distributed.hosts]) == [1]
