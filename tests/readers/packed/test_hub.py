"""Tables of pictures and captions, on disk and from the Hub: what is read, chosen and left out, and what is said."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from pyarrow import ipc, parquet
from sources import encoded, named, shade_of

from stackgan_cli.components.protocols import Example
from stackgan_cli.errors import DataError
from stackgan_cli.readers.packed.hub import HubReader

TEXT = datasets.Value("string")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def made(shades: list[int], **columns: list[Any]) -> datasets.Dataset:
    """A set as Hugging Face's users make it: an image column, a caption, and whatever is given."""
    features = datasets.Features({"image": datasets.Image(), "text": TEXT})
    rows: dict[str, list[Any]] = {"image": [{"bytes": encoded(shade), "path": f"{shade}.png"} for shade in shades]}
    rows["text"] = [f"shade {shade}" for shade in shades]
    whole = datasets.Dataset.from_dict(rows, features=features)
    for name, values in columns.items():
        whole = whole.add_column(name, values)
    return whole


def read(root: Path | None, **options: Any) -> tuple[dict[str, Example], dict[str, str]]:
    return named(HubReader(**options), root)


def shown(examples: dict[str, Example]) -> dict[str, tuple[int, tuple[str, ...], str | None]]:
    return {name: (shade_of(item), item.captions, item.split) for name, item in examples.items()}


def table(path: Path, schema: pyarrow.Schema | None = None, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns, schema=schema), path)
    return path


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": made([1, 2, 3]), "validation": made([4]), "extra": made([5])}).save_to_disk(
        tmp_path / "dict", num_shards={"train": 2, "validation": 1, "extra": 1}
    )
    made([6]).save_to_disk(tmp_path / "one")
    # What map() leaves there.
    (tmp_path / "dict" / "train" / "cache-0123.arrow").write_bytes(
        (tmp_path / "dict" / "validation" / "data-00000-of-00001.arrow").read_bytes()
    )
    examples, skipped = read(tmp_path / "dict")
    assert shown(examples) == {
        "extra/data-00000-of-00001/00000000": (5, ("shade 5",), None),
        "train/data-00000-of-00002/00000000": (1, ("shade 1",), "train"),
        "train/data-00000-of-00002/00000001": (2, ("shade 2",), "train"),
        "train/data-00001-of-00002/00000000": (3, ("shade 3",), "train"),
        "validation/data-00000-of-00001/00000000": (4, ("shade 4",), "test"),
    }
    assert list(examples) == sorted(examples)
    assert "intermediate" in skipped["train/cache-0123.arrow"]
    assert "neither train nor test" in skipped["extra/data-00000-of-00001.arrow"]
    examples, skipped = read(tmp_path / "one")
    assert shown(examples) == {"data-00000-of-00001/00000000": (6, ("shade 6",), None)}
    assert not skipped


def test_folders_of_parquet_and_arrow_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    made([1, 2]).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    made([3]).to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    with ipc.new_stream(tmp_path / "val.arrow", made([4]).data.schema) as stream:
        stream.write_table(made([4]).data.table)
    with ipc.new_file(tmp_path / "other.arrow", made([5]).data.schema) as file:
        file.write_table(made([5]).data.table)
    examples, skipped = read(tmp_path)
    assert shown(examples) == {
        "data/test-00000-of-00001/00000000": (3, ("shade 3",), "test"),
        "data/train-00000-of-00001/00000000": (1, ("shade 1",), "train"),
        "data/train-00000-of-00001/00000001": (2, ("shade 2",), "train"),
        "other/00000000": (5, ("shade 5",), None),
        "val/00000000": (4, ("shade 4",), "test"),
    }
    assert skipped.keys() == {"other.arrow"}
    (name,) = read(tmp_path / "data" / "test-00000-of-00001.parquet")[0]
    assert name == "test-00000-of-00001/00000000"


def test_tables_that_know_nothing_of_hugging_face(tmp_path: Path) -> None:
    file = table(
        tmp_path / "birds.parquet",
        thumbnail_hash=[b"\0\1\2", b"\3\4\5"],
        photo_bytes=[encoded(1), encoded(2)],
        caption=[["one", " ", "two\nlines"], None],
        species=["finch", ""],
    )
    examples, skipped = read(file)
    assert shown(examples) == {"birds/00000000": (1, ("one", "two lines"), None)}
    assert examples["birds/00000000"].class_name == "finch"
    assert "no caption" in skipped["birds/00000001"]


def test_classes_by_their_names(tmp_path: Path) -> None:
    labelled = made([1, 2, 3], label=[0, 1, -1]).cast_column("label", datasets.ClassLabel(names=["finch", "jay"]))
    labelled.to_parquet(tmp_path / "a.parquet")
    examples, _ = read(tmp_path / "a.parquet")
    assert [item.class_name for item in examples.values()] == ["finch", "jay", None]
    labelled.rename_column("label", "bird").to_parquet(tmp_path / "a.parquet")
    assert [item.class_name for item in read(tmp_path / "a.parquet")[0].values()] == ["finch", "jay", None]
    made([1], label=[7]).to_parquet(tmp_path / "b.parquet")
    assert [item.class_name for item in read(tmp_path / "b.parquet")[0].values()] == ["7"]


def test_a_column_of_splits_decides(tmp_path: Path) -> None:
    made([1, 2, 3, 4], split=["train", "val", "restval", None]).to_parquet(tmp_path / "test.parquet")
    examples, skipped = read(tmp_path / "test.parquet")
    assert [item.split for item in examples.values()] == ["train", "test", None, "test"]
    assert "neither train nor test" in skipped["test/00000002"]


def test_choosing_among_columns(tmp_path: Path) -> None:
    pictures = [encoded(1)]
    more = [encoded(2)]
    two_texts = table(tmp_path / "a.parquet", image=pictures, mask=more, caption=["x"], text=["y"])
    assert [item.captions for item in read(two_texts)[0].values()] == [("x",)]
    for choice, expected in (("text", ("y",)), ("caption,text", ("x", "y")), ("text, caption", ("y", "x"))):
        examples, _ = read(two_texts, caption_column=choice)
        assert [(shade_of(item), item.captions) for item in examples.values()] == [(1, expected)]
    examples, _ = read(two_texts, caption_column="text", image_column="mask")
    assert [shade_of(item) for item in examples.values()] == [2]
    two_pictures = table(tmp_path / "b.parquet", left=pictures, right=more, text=["x"])
    with pytest.raises(DataError, match="pictures: left, right") as caught:
        read(two_pictures)
    assert "--image-column" in (caught.value.hint or "")
    nothing = table(tmp_path / "c.parquet", number=[1], address=["https://example.org/a.png"])
    for options, words in (
        ({}, "no column that is known to hold pictures; its columns are number, address"),
        ({"image_column": "img"}, "no column img; its columns are number, address"),
        ({"image_column": "address"}, "address of .* holds no pictures"),
    ):
        with pytest.raises(DataError, match=words):
            read(nothing, **options)
    for options, words in (
        ({"caption_column": "words"}, "no column words"),
        ({"caption_column": "image"}, "image of .* holds no text"),
    ):
        with pytest.raises(DataError, match=words):
            read(two_texts, **options)
    with pytest.raises(DataError, match="no column that is known to hold captions"):
        read(table(tmp_path / "d.parquet", image=pictures, number=[1]))


def test_rows_that_only_name_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encoded(9))
    root = tmp_path / "data"
    (root / "pictures").mkdir(parents=True)
    (root / "pictures" / "a.png").write_bytes(encoded(1))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    paths = [
        "pictures/a.png",
        str(root / "pictures" / "a.png"),
        "../secret.png",
        str(tmp_path / "secret.png"),
        "link.png",
        "pictures/missing.png",
        "https://example.org/a.png",
        "a\0b.png",
        "pictures",
        None,
    ]
    table(root / "t.parquet", image=[{"bytes": None, "path": path} for path in paths], text=["x"] * len(paths))
    examples, skipped = read(root)
    assert [shade_of(item) for item in examples.values()] == [1, 1]
    for row in (2, 3, 4):
        assert "outside of the source" in skipped[f"t/{row:08d}"]
    assert skipped.keys() == {f"t/{row:08d}" for row in range(2, 10)}


def test_damaged_text_is_mended(tmp_path: Path) -> None:
    lengths = pyarrow.array([0, 9], pyarrow.int32()).buffers()[1]
    text = pyarrow.Array.from_buffers(pyarrow.string(), 1, [None, lengths, pyarrow.py_buffer(b"a \xff\xfebird!")])
    columns = pyarrow.table({"image": [encoded(1)], "text": text})
    parquet.write_table(columns, tmp_path / "p.parquet")
    with ipc.new_stream(tmp_path / "a.arrow", columns.schema) as stream:
        stream.write_table(columns)
    examples, skipped = read(tmp_path)
    assert [item.captions for item in examples.values()] == [("a bird!",), ("a bird!",)]
    assert all("damaged characters" in skipped[name] for name in ("p/00000000", "a/00000000"))


def test_unusual_types_of_text(tmp_path: Path) -> None:
    columns = {"image": pyarrow.array([encoded(1)], pyarrow.large_binary())}
    kinds = (pyarrow.large_string(), pyarrow.string_view(), pyarrow.dictionary(pyarrow.int8(), pyarrow.string()))
    for index, kind in enumerate(kinds):
        written = pyarrow.table(columns | {"text": pyarrow.array(["x"], kind)})
        with ipc.new_file(tmp_path / f"{index}.arrow", written.schema) as file:
            file.write_table(written)
    examples, skipped = read(tmp_path)
    assert [item.captions for item in examples.values()] == [("x",)] * 3
    assert not skipped


def test_damaged_files_leave_the_others_alone(tmp_path: Path) -> None:
    made([1, 2]).to_parquet(tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    (tmp_path / "a-empty.parquet").write_bytes(b"")
    (tmp_path / "text.arrow").write_bytes(b"no table at all" * 50)
    table(tmp_path / "other.parquet", number=[1, 2])
    made([]).to_parquet(tmp_path / "b-none.parquet")
    examples, skipped = read(tmp_path)
    assert list(examples) == ["good/00000000", "good/00000001"]
    assert skipped.keys() == {"cut.parquet", "a-empty.parquet", "text.arrow", "other.parquet"}
    assert all("not read after 0 rows" in reason for reason in skipped.values())
    assert "no column image" in skipped["other.parquet"]
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "cut.arrow").write_bytes(whole[:50])
    with pytest.raises(DataError, match=r"no captioned picture.*cut\.arrow"):
        read(tmp_path / "alone")


def test_random_damage_never_escapes(tmp_path: Path) -> None:
    """In a process of its own, because damage that pyarrow believes would end it."""
    script = tmp_path / "fuzz.py"
    script.write_text(
        f"""
import random, sys
from pathlib import Path
from stackgan_cli.components.protocols import Example, Skipped
from stackgan_cli.readers.packed.hub import HubReader
from stackgan_cli.errors import DataError
for name in ("t.parquet", "s.arrow", "f.arrow"):
    whole = (Path({str(tmp_path)!r}) / name).read_bytes()
    chance = random.Random(3)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file = Path({str(tmp_path)!r}) / ("damaged-" + name)
        file.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        try:
            for item in HubReader().examples(file):
                assert isinstance(item, Example | Skipped)
        except DataError:
            pass
print("survived")
"""
    )
    columns = made([1, 2, 3], label=["a", "b", "c"]).data.table
    parquet.write_table(columns, tmp_path / "t.parquet")
    with ipc.new_stream(tmp_path / "s.arrow", columns.schema) as stream:
        stream.write_table(columns)
    with ipc.new_file(tmp_path / "f.arrow", columns.schema) as file:
        file.write_table(columns)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "survived", done.stderr[-2000:]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell a process's own peak")
@pytest.mark.parametrize("kind", ["parquet", "stream", "file"])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, kind: str) -> None:
    """The peak of a process of its own, files mapped into it included, with all rows in one group or batch."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.arrow"
        noise = random.Random(1)
        rows = [{"bytes": b"\x89PNG" + noise.randbytes(30_000), "path": None} for _ in range(count)]
        written = pyarrow.table({"image": rows, "text": ["x"] * count})
        if kind == "parquet":
            # One group of rows, in pages of a usual size: a page is the least that can be read.
            parquet.write_table(written, path, write_batch_size=32)
        else:
            with (ipc.new_stream if kind == "stream" else ipc.new_file)(path, written.schema) as file:
                file.write_table(written)
        script = (
            "import sys; from pathlib import Path; from stackgan_cli.readers.packed.hub import HubReader\n"
            f"assert sum(len(each.image) for each in HubReader().examples(Path(sys.argv[1]))) == {count} * 30_004\n"
            "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
        )
        done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
        return int(done.stdout) // 1024

    few, many = peak(200), peak(4000)
    assert many - few < 40, f"{few} MiB for 6 MB of pictures, {many} MiB for 120 MB"


def test_recognises_tables_alone(tmp_path: Path) -> None:
    reader = HubReader()
    datasets.DatasetDict({"train": made([1])}).save_to_disk(tmp_path / "dict")
    made([1]).save_to_disk(tmp_path / "one")
    for name in ("plain/train.parquet", "data/data/train.arrow", "split/test/0.parquet"):
        (tmp_path / name).parent.mkdir(parents=True)
        made([1]).to_parquet(tmp_path / name)
    for name, word in (
        ("dict", "save_to_disk"),
        ("one", "save_to_disk"),
        ("plain", "train.parquet"),
        ("data", "train.arrow"),
        ("split", "0.parquet"),
        ("plain/train.parquet", "Parquet"),
    ):
        assert word in (reader.recognises(tmp_path / name) or ""), name
    for other in ("metadata.jsonl", "metadata.csv", "metadata.parquet", "00000.tar", "data.json"):
        folder = tmp_path / other.replace(".", "-")
        folder.mkdir()
        (folder / "00000.parquet").write_bytes(b"PAR1")
        (folder / other).write_bytes(b"")
        assert reader.recognises(folder) is None, other
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere", "00000-tar/00000.tar"):
        assert reader.recognises(tmp_path / name) is None


def test_a_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    splits = {"train": made(list(range(40)), label=["a"] * 40), "validation": made([4], label=["b"])}

    def load(*arguments: object, **options: object) -> datasets.DatasetDict:
        asked.append((*arguments, options.get("revision")))
        assert "trust_remote_code" not in options
        return datasets.DatasetDict(splits)

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: None)
    examples, skipped = read(None, dataset="owner/name", config=2017, revision="main")
    assert asked == [("owner/name", "2017", "main")]
    assert len(examples) == 41
    assert not skipped
    last = examples["train/00000039"]
    assert (shade_of(last), last.captions, last.split, last.class_name) == (39, ("shade 39",), "train", "a")
    assert examples["validation/00000000"].split == "test"


@pytest.mark.parametrize("name", ["csv", "imagefolder", "a/b/c", "../x", "/etc", "https://example.org/a/b", "buckets"])
def test_names_that_mean_something_else_are_never_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(DataError, match="no name of a set"):
        read(None, dataset=name)


def test_a_local_folder_is_not_taken_for_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="a local owner/name"):
        read(None, dataset="owner/name")


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (
            ValueError("Config name is missing.\nPlease pick one among the available configs: ['en', 'de']\nSo"),
            "several configurations: 'en', 'de'",
            "config=",
        ),
        (ValueError("BuilderConfig 'x' not found. Available: ['en', 'de']"), "configurations: 'en', 'de'", "config="),
        (
            datasets.exceptions.DatasetNotFoundError("Revision 'x' doesn't exist for dataset 'o/n' on the Hub."),
            "no such revision",
            "revision=main",
        ),
        (OSError(28, "No space left on device"), "No space left", "huggingface.co/datasets/o/n"),
    ],
)
def test_what_else_goes_wrong_is_one_sentence(
    error: Exception, words: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: None)
    with pytest.raises(DataError, match=words) as caught:
        read(None, dataset="o/n")
    assert hint in (caught.value.hint or "")
    assert "\n" not in caught.value.message


class _Hub(BaseHTTPRequestHandler):
    """As much of the Hub as it takes to load a set, or to be refused one."""

    commit = "a" * 40
    table = b""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self._answer(200, b"[]")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        file = {"type": "file", "path": "data/train.parquet", "size": len(self.table), "oid": "b" * 40}
        if "o/unknown" in path:
            self._answer(401, error="RepoNotFound")
        elif "o/broken" in path:
            self._answer(503)
        elif "/tree/" in path:
            folder = {"type": "directory", "path": "data", "oid": "c" * 40}
            self._answer(200, json.dumps([file if path.endswith("data") else folder]).encode())
        elif path.startswith("/api/datasets/"):
            siblings = [{"rfilename": file["path"]}]
            self._answer(200, json.dumps({"id": "o/n", "sha": self.commit, "siblings": siblings}).encode())
        elif "o/gated" in path:
            self._answer(403, error="GatedRepo")
        elif path.endswith("train.parquet"):
            self._answer(200, self.table)
        elif path.endswith("/script.py"):
            self._answer(200, b"raise SystemExit('it was run')")
        else:
            self._answer(404, error="EntryNotFound")

    def _answer(self, code: int, body: bytes = b"", error: str | None = None) -> None:
        self.send_response(code)
        for name, value in (("X-Error-Code", error), ("X-Repo-Commit", self.commit), ("ETag", '"' + "d" * 40 + '"')):
            if value is not None:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    made([1, 2]).to_parquet(tmp_path / "served.parquet")
    with served(type("Served", (_Hub,), {"table": (tmp_path / "served.parquet").read_bytes()})) as address:
        yield address


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def from_hub(tmp_path: Path, *names: str, **environment: str) -> list[str]:
    """What a process of its own finds: the libraries read where the Hub is when they are imported."""
    script = (
        "import sys\n"
        "from stackgan_cli.readers.packed.hub import HubReader\n"
        "from stackgan_cli.errors import DataError\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        found = HubReader(dataset=name).examples(None)\n"
        "        print(' | '.join(each.name + ' ' + getattr(each, 'reason', '') for each in found))\n"
        "    except DataError as error:\n"
        "        print(error.message, '|', error.hint)\n"
    )
    cache = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", script, *names],
        capture_output=True,
        text=True,
        env=kept | cache | environment,
        cwd=tmp_path,
        timeout=300,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_hub_that_answers_and_one_that_does_not(tmp_path: Path, hub: str) -> None:
    names = ("o/n", "o/unknown", "o/gated", "o/script", "o/broken")
    whole, unknown, gated, script, broken = from_hub(tmp_path, *names, HF_ENDPOINT=hub)
    assert whole.split(" | ") == ["train/00000000 ", "train/00000001 "]
    assert "no set o/unknown" in unknown
    assert "gated" in gated
    assert "hf auth login" in gated
    assert "no code from the Hub is run" in script
    assert "cannot be reached" in broken
    asked: list[object] = []

    class HangsUp(BaseHTTPRequestHandler):
        def handle(self) -> None:
            asked.append(self)

    # A port that refuses and a name that does not resolve end the same way.
    with served(HangsUp) as dead:
        places = ({"HF_ENDPOINT": dead}, {"HF_HUB_OFFLINE": "1"})
        found = [from_hub(tmp_path, "o/n", "o/never", **place) for place in places]
    # Left alone, `datasets` would ask again for half a minute.
    assert len(asked) == 2
    for cached, absent in found:
        assert "cache" in cached
        assert cached.startswith("train/00000000  | train/00000001 ")
        assert "cannot be reached" in absent
        assert "--source FOLDER" in absent


def test_the_command_line_takes_an_address_of_the_hub(
    empty_home: Path, stackgan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    called = stackgan("prepare", "--data", "flickr", "--source", "hf:nobody/nothing")
    assert called.code == 3
    assert called.says("cannot be reached", "hf download nobody/nothing", "--source FOLDER")
    assert "Traceback" not in called.err


@pytest.mark.parametrize("names", [("train.parquet",), ("train-0.parquet", "train-1.parquet")])
def test_a_set_that_is_all_training_is_left_open_for_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        made([1, 2]).to_parquet(str(tmp_path / name))
    assert {example.split for example in read(tmp_path)[0].values()} == {None}
    made([1, 2]).to_parquet(str(tmp_path / "validation.parquet"))
    assert {example.split for example in read(tmp_path)[0].values()} == {"train", "test"}
