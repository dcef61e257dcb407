"""What most tests stand on: the command line called in this process, and one tiny data set and model made once."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

SIDES = {1: 16, 2: 64}
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background so; the tests of interrupts, and what they start, are to hear them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
BROKEN_SITE = Path(__file__).parent / "broken_plugins" / "site"


@dataclass(frozen=True)
class Called:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    def says(self, *words: str) -> bool:
        """Whether stderr holds all the words, however its lines are broken."""
        flat = " ".join(self.err.replace("│", " ").split())
        return all(word in flat for word in words)


def call(*arguments: object, stdin: str | bytes = "") -> Called:
    """Call ``stackgan`` in this process."""
    from stackgan_cli.app import main

    out, err = io.StringIO(), io.StringIO()
    data = stdin.encode() if isinstance(stdin, str) else stdin
    before = sys.argv, sys.stdin
    sys.argv, sys.stdin = ["stackgan", *map(str, arguments)], io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.argv, sys.stdin = before
    return Called(code, out.getvalue(), err.getvalue())


def tiny(stage: int) -> list[str]:
    """Options that make a stage train in milliseconds."""
    channels = ["channels=4", "max_channels=8"]
    options = [f"{network}.options.{each}" for network in ("generator", "discriminator") for each in channels]
    penalty = '{ name = "gradient-penalty", weight = 2.0, every = 4, options = { power = 6.0 } }'
    changes = [f"resolution={SIDES[stage]}", *options, f"objectives=[{penalty}]"]
    settings = [part for each in changes for part in ("--set", each)]
    return ["--batch-size", "4", "--precision", "float32", "--discriminator", "residual", *settings]


def train(stage: int, *arguments: object) -> Called:
    """Train a stage of the model ``birds`` with tiny networks."""
    return call(f"train-stage{stage}", "--data", "birds", *tiny(stage), *arguments)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the data ``birds`` (48 drawn birds, 16 and 64 px) and the model ``birds``, both stages trained."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKGAN_HOME", str(folder))
        patch.delenv("STACKGAN_MODEL", raising=False)
        patch.delenv("STACKGAN_DEBUG", raising=False)
        sizes = [part for side in SIDES.values() for part in ("--resolution", side)]
        what = ["--reader", "drawn-birds", "--limit", 48, "--encoder", "hashed-words", *sizes]
        for done in (
            call("prepare", "--data", "birds", *what),
            train(1, "--steps", 6),
            train(2, "--steps", 6),
        ):
            assert done.code == 0, done.err
    return folder


# Starting Python and importing torch takes longer than most of what is tested in processes of their own. So one process
# does that and forks the others, which import this package themselves.
FORKING = """
import gc, json, os, runpy, sys
import datasets, matplotlib.pyplot, pydantic, torch._dynamo, torch.utils.tensorboard, typer

gc.freeze()  # else each of them takes a second to clear away at its end what is here
orders, answers = open(0, "rb", buffering=0, closefd=False), open(os.dup(1), "wb", buffering=0)
while line := orders.readline():
    order = json.loads(line)
    if "code_of" in order:
        process, state = os.waitpid(order["code_of"], order["how"])
        answer = os.waitstatus_to_exitcode(state) if process else None
    else:
        streams = [os.open(path, how) for path, how in order["streams"]]
        if not (answer := os.fork()):
            break
        for stream in streams:
            os.close(stream)
    answers.write(json.dumps(answer).encode() + b"\\n")
else:
    sys.exit()
answers.close()
for number, stream in enumerate(streams):
    os.dup2(stream, number)
    os.close(stream)
sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1, errors="backslashreplace")
os.environ.clear()
os.environ.update(order["environment"])
sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
os.chdir(order["folder"])
sys.argv = ["stackgan", *order["arguments"]]
if order["script"] is None:
    runpy.run_module("stackgan_cli", run_name="__main__")
else:
    exec(order["script"], {"__name__": "__main__"})
"""


class Forking:
    """The process that forks others."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, order: dict[str, Any]) -> Any:
        """Give an order, and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """Let it end."""
        self._process.communicate()


class Forked:
    """A process that runs ``stackgan``, or a script in its place."""

    def __init__(self, forking: Forking, folder: Path, order: dict[str, Any]) -> None:
        self._forking, self._folder = forking, folder
        self.pid: int = forking.ask(order)
        self._code: int | None = None

    def code(self) -> int | None:
        """Exit code, a negative signal where one ended it; None as long as it runs."""
        if self._code is None:
            self._code = self._forking.ask({"code_of": self.pid, "how": os.WNOHANG})
        return self._code

    def first_line(self) -> str:
        """The first line of its stdout, as soon as it is there; empty where it ends without one."""
        while not (told := (self._folder / "out").read_text()).count("\n") and self.code() is None:
            time.sleep(0.01)
        return told.partition("\n")[0]

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def ended(self, seconds: float = 120) -> Called:
        """What it came to; one that hangs fails the test instead of stopping all of them."""
        deadline = time.monotonic() + seconds
        while self.code() is None:
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
                pytest.fail(f"It hangs. {(self._folder / 'err').read_text()}")
            time.sleep(0.01)
        assert self._code is not None
        return Called(self._code, (self._folder / "out").read_text(), (self._folder / "err").read_text())


@pytest.fixture
def on_one_thread() -> Iterator[None]:
    """Torch on one thread: so small a network spends its time on waking threads, above all beside other tests."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with nothing in it, for this test alone."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("STACKGAN_HOME", str(folder))
    monkeypatch.delenv("STACKGAN_MODEL", raising=False)
    monkeypatch.delenv("STACKGAN_DEBUG", raising=False)
    return folder


@pytest.fixture
def home(empty_home: Path, made_once: Path) -> Path:
    """A home of this test's own with the data ``birds`` and no model."""
    shutil.copytree(made_once / "data", empty_home / "data")
    return empty_home


@pytest.fixture
def model(home: Path, made_once: Path) -> Path:
    """The trained model ``birds`` in a home of this test's own."""
    shutil.copytree(made_once / "models", home / "models")
    return home / "models" / "birds"


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """The process that forks others, for all tests."""
    process = Forking()
    yield process
    process.end()


@pytest.fixture(scope="session")
def fork(forking: Forking, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Forked]:
    """``fork(*arguments, script=None, stdin="", terminal=None, variables=None)`` begins a process of its own.

    It runs ``stackgan``, or the script in its place; ``terminal`` is the name of one that becomes its stdin and stderr;
    the variables of its environment are those of this process but for ``variables``, of which None takes one away.
    """

    def begin(
        *arguments: object,
        script: str | None = None,
        stdin: str = "",
        terminal: str | None = None,
        variables: dict[str, str | None] | None = None,
    ) -> Forked:
        folder = tmp_path_factory.mktemp("forked")
        for name, text in (("in", stdin), ("out", ""), ("err", "")):
            (folder / name).write_text(text)
        streams = [(folder / "in", os.O_RDONLY), (folder / "out", os.O_WRONLY), (folder / "err", os.O_WRONLY)]
        if terminal is not None:
            streams[0] = streams[2] = (Path(terminal), os.O_RDWR | os.O_NOCTTY)
        environment = {**os.environ, **(variables or {})}
        order = {
            "streams": [(str(path), how) for path, how in streams],
            "environment": {name: value for name, value in environment.items() if value is not None},
            "folder": os.getcwd(),  # noqa: PTH109  # which a test may have left for another
            "arguments": list(map(str, arguments)),
            "script": script,
        }
        return Forked(forking, folder, order)

    return begin


@pytest.fixture(scope="session")
def fork_ranks(fork: Callable[..., Forked]) -> Callable[..., Called]:
    """``fork_ranks(*arguments, ...)``: what two processes together come to, told of each other as by ``torchrun``."""

    def run(*arguments: object, **options: Any) -> Called:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        told = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        ranks = [{"RANK": rank, "LOCAL_RANK": rank, **told} for rank in "01"]
        both = [each.ended() for each in [fork(*arguments, variables=rank, **options) for rank in ranks]]
        codes, out, err = zip(*((each.code, each.out, each.err) for each in both), strict=True)
        return Called(next(filter(None, codes), 0), "".join(out), "".join(err))

    return run


@pytest.fixture
def restate() -> Callable[[Path], None]:
    """``restate(model)`` repeats what the files of a model's pieces say after a test changed them.

    That is in its manifest, and in the headers of its weights.
    """
    from safetensors.torch import load_file, save_file

    def write(model: Path) -> None:
        manifest = json.loads((model / "stackgan.json").read_text())
        manifest["text_encoder"] = json.loads((model / "text_encoder" / "config.json").read_text())
        for stage, record in manifest["stages"].items():
            record["generator"] = json.loads((model / f"stage{stage}" / "config.json").read_text())
        (model / "stackgan.json").write_text(json.dumps(manifest))
        for weights in model.glob("*/model.safetensors"):
            save_file(load_file(weights), weights, {"component": weights.with_name("config.json").read_text()})

    return write


@pytest.fixture
def stackgan(empty_home: Path) -> Callable[..., Called]:
    """The command line, called in this process with this test's home."""
    return call


@pytest.fixture
def run_example(tmp_path: Path) -> Callable[[Path], Called]:
    """A function that runs an example at toy size with the commands of this interpreter, found on PATH or not."""

    def run(folder: Path) -> Called:
        commands = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = os.environ | {"PATH": commands, "STACKGAN_TOY": "1", "STACKGAN_EXAMPLES": str(tmp_path)}
        done = subprocess.run(
            ["bash", folder / "run.sh"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return Called(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def train_tiny(home: Path) -> Callable[..., Called]:
    """``train_tiny(stage, *options)`` trains tiny networks on the data ``birds`` of this test's home."""
    return train


@pytest.fixture
def tiny_options() -> Callable[[int], list[str]]:
    """``tiny_options(stage)``: what ``train_tiny`` gives to the command line, for tests that start a process."""
    return tiny


@pytest.fixture
def captioned_folder(tmp_path: Path) -> Callable[..., Path]:
    """``captioned_folder(count)`` makes a folder of pictures, each with a text file of two captions beside it."""

    def make(count: int, name: str = "pictures", side: int = 80) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for index in range(count):
            colour = (index * 37 % 256, index * 91 % 256, index * 53 % 256)
            picture = Image.new("RGB", (side, side), colour)
            picture.paste((255 - colour[0], colour[1], 128), (10, 10, 40, 30 + index % 20))
            picture.save(folder / f"{index:03d}.png")
            (folder / f"{index:03d}.txt").write_text(f"picture number {index}\na plain picture, {index}\n")
        return folder

    return make


@pytest.fixture
def fresh_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is remembered of what was installed before this test, nor afterwards of what it installs."""
    from stackgan_cli.components import registry

    monkeypatch.delenv(registry.LIMIT_VARIABLE, raising=False)
    registry.clear_cache()
    before = set(sys.modules)
    yield
    registry.clear_cache()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith((str(BROKEN_SITE), str(tmp_path))):
            del sys.modules[name]


@pytest.fixture
def broken_site(fresh_registry: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Broken plugins, installed ahead of everything else."""
    monkeypatch.syspath_prepend(BROKEN_SITE)
    return BROKEN_SITE


@pytest.fixture
def install(fresh_registry: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a package of one module for a test: ``install(package, entry_points, code, version=...)``."""
    from stackgan_cli.components import registry

    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def write(package: str, entry_points: str, code: str = "", version: str = "1.0") -> Path:
        module = package.replace("-", "_")
        for old in site.glob(f"{module}-*.dist-info"):
            old.rename(site / f"{old.name}.old")
        information = site / f"{module}-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (information / "entry_points.txt").write_text(entry_points)
        (site / f"{module}.py").write_text(code)
        registry.clear_cache()
        return site

    return write
