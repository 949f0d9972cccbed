"""The options of ``pellucid train`` that say what computes: which go together, and how a run goes on with them."""

import csv

import pytest

from parties import met
from pellucid import distributed, recipes
from pellucid.cli.computing import Computing
from pellucid.cli.screen import Screen
from pellucid.cli.train import Changes, Stopped, train
from pellucid.core.errors import HostLostError, InputError
from pellucid.distributed.relay import free_port
from pellucid.recipes.learning import train as learn

MOONS = (
    '[data]\nkind = "moons"\nn = 60\n[[layers]]\nkind = "Dense"\nunits = "classes"\n'
    '[training]\nloss = "cross_entropy"\nepochs = 2\nbatch_size = 20\n'
)
SWEEP = '[sweep]\n"training.seed" = [0, 1]\n'


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(MOONS)
    return path


def run(document, tmp_path, **options):
    return train(Screen(), str(document), Changes(), tmp_path / "run", True, Computing(**options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": 1}, "say how many with --hosts"),
        ({"coordinator": "127.0.0.1:5"}, "say how many with --hosts"),
        ({"wait": 5.0}, "say how many with --hosts"),
        ({"hosts": 2, "backend": "native"}, "leave out --backend native, or --hosts"),
        ({"hosts": 2, "devices": 2}, "leave out --devices 2"),
        ({"hosts": 2, "host": 1}, "go together"),
        ({"hosts": 2, "coordinator": "127.0.0.1:5"}, "go together"),
        ({"hosts": 2, "host": 2, "coordinator": "127.0.0.1:5"}, "the last is 1"),
        ({"hosts": 2, "host": 0, "coordinator": "nowhere"}, "ADDRESS:PORT"),
        ({"backend": "xlb"}, "there is no backend 'xlb'"),
        ({"backend": "native", "devices": 2}, "devices"),
        ({"devices": 9}, "XLA sees 8"),
        ({"devices": 8}, "a batch of 20 rows .* among 8 devices"),
        ({"precision": "float8"}, "float8"),
    ],
    ids=str,
)
def test_options_that_do_not_fit(document, tmp_path, options, said):
    with pytest.raises(Exception, match=said):
        run(document, tmp_path, **options)
    assert not (tmp_path / "run").exists()


def test_a_sweep_has_no_hosts(document, tmp_path):
    document.write_text(MOONS + SWEEP)
    with pytest.raises(InputError, match="Dask"):
        run(document, tmp_path, hosts=2)
    assert not (tmp_path / "run").exists()


def test_a_sweep_on_xla(document, tmp_path):
    document.write_text(MOONS + SWEEP)
    found = []
    for backend in ("native", "xla"):
        run(document, tmp_path / backend, backend=backend)
        written = (tmp_path / backend / "run" / "sweep.csv").read_text()
        found.append(list(csv.DictReader(written.splitlines())))
    assert len(found[0]) == len(found[1]) == 2
    for native, xla in zip(*found, strict=True):
        assert float(xla["loss"]) == pytest.approx(float(native["loss"]), rel=1e-4)


def test_hosts_that_do_not_come(document, tmp_path):
    at = f"127.0.0.1:{free_port()}"
    for host, said in ((0, "host 1 did not come"), (1, "host 0 did not answer")):
        with pytest.raises(HostLostError, match=said):
            run(document, tmp_path, hosts=2, host=host, coordinator=at, wait=0.3)
    assert not (tmp_path / "run").exists()
    assert distributed.hosts() == 1


def test_a_run_goes_on_with_the_options_it_was_given(document, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "train", interrupted)
    with pytest.raises(Stopped, match=r"--backend xla --devices 1 --precision bfloat16 --out"):
        run(document, tmp_path, backend="xla", devices=1, precision="bfloat16")


def test_hosts_that_one_command_started_go_on_with_that():
    options = {"hosts": 2, "host": 0, "coordinator": "127.0.0.1:5"}
    assert str(Computing(**options)) == " --hosts 2 --host 0 --coordinator 127.0.0.1:5"
    assert str(Computing(**options, launched=True)) == " --hosts 2"


@pytest.mark.parametrize("options", [{"precision": "bfloat16"}, {"backend": "reference"}], ids=str)
def test_it_is_no_part_of_a_run(document, tmp_path, options, monkeypatch):
    monkeypatch.setattr(recipes, "illustrate", lambda run, figures: None)
    document.write_text(MOONS.replace("epochs = 2", "epochs = 1"))
    run(document, tmp_path)
    document.write_text(MOONS)
    folder = run(document, tmp_path, **options)
    assert recipes.open_run(folder).model.progress.epochs == 2


def test_of_several_hosts_none_but_the_first_has_a_folder(document, tmp_path, monkeypatch):
    with met(2, ending=lambda message: None) as (_, one):
        monkeypatch.setattr(distributed._joined, "party", one)
        monkeypatch.setattr(distributed, "initialize", lambda *_, **__: None)
        monkeypatch.setattr(distributed, "shutdown", lambda: None)
        seen = []
        monkeypatch.setattr(recipes, "begin", lambda document, folder, progress=None: seen.append(folder))
        monkeypatch.setattr(recipes, "train", lambda *_, **__: None)
        run(document, tmp_path, hosts=2, host=1, coordinator="127.0.0.1:5")
    assert seen != [tmp_path / "run"]
    assert not (tmp_path / "run").exists()
    assert not seen[0].exists()


def test_a_sweep_is_refused_by_the_recipe_too(document, tmp_path, monkeypatch):
    document.write_text(MOONS + SWEEP)
    begun = recipes.begin(recipes.find(str(document)), tmp_path / "run")
    monkeypatch.setattr(distributed, "hosts", lambda: 2)
    with pytest.raises(InputError, match="Dask"):
        learn(begun, 0)
