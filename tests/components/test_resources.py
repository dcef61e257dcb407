from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stackgan_cli.components.registry import absent_plugins, broken
from stackgan_cli.components.resources import Resource, broken_resources, find_resource, resources
from stackgan_cli.errors import ModelError

GROUP = "stackgan.models"
Bring = Callable[..., Path]


@pytest.fixture
def bring(install: Callable[..., Path]) -> Bring:
    """Install a package with some files that must not be imported: ``bring(package, entry_points, *files)``."""

    def write(package: str, lines: str, *files: str) -> Path:
        folder = install(package, f"[{GROUP}]\n{lines}\n") / package.replace("-", "_")
        for name in ("__init__.py", *files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("raise SystemExit('imported')")
        return folder

    return write


def find(name: str, *built_in: Resource) -> Resource:
    return find_resource(GROUP, name, title="model", built_in=built_in, error=ModelError, otherwise="a folder")


def theirs() -> list[Resource]:
    return [each for each in resources(GROUP) if not each.built_in]


def test_files_and_folders_of_packages_are_found_without_importing_them(bring: Bring) -> None:
    lines = "iris = some_flowers:models/iris\nrose = some_flowers.deeper:rose.toml"
    folder = bring("some-flowers", lines, "models/iris/stackgan.json", "deeper/__init__.py", "deeper/rose.toml")
    iris, rose = theirs()
    assert (iris.full_name, iris.version, iris.path) == ("some-flowers:iris", "1.0", folder / "models" / "iris")
    assert rose.path == folder / "deeper" / "rose.toml"
    assert find("Some_Flowers:rose") == find("rose") == rose
    assert "some_flowers" not in sys.modules
    assert [entry for entry in broken() if entry.package == "some-flowers"] == []


def test_an_editable_install_is_followed_to_its_sources(
    bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bring("some-flowers", "iris = some_flowers:iris", "iris/stackgan.json")
    (tmp_path / "src").mkdir()
    folder.rename(tmp_path / "src" / "some_flowers")
    (folder.parent / "some_flowers.py").unlink()
    monkeypatch.syspath_prepend(tmp_path / "src")
    assert find("iris").path == tmp_path / "src" / "some_flowers" / "iris"
    assert "some_flowers" not in sys.modules


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("iris = some_flowers:nowhere", "no nowhere in some_flowers"),
        ("iris = not_here:iris", "no iris in not_here"),
        ("iris = some_flowers", "module:path"),
        ("iris = some_flowers:", "module:path"),
        ("iris = some_flowers:../../secret", "module:path"),
        ("iris = some_flowers:/etc/passwd", "module:path"),
        ("iris = some flowers:iris", "module:path"),
        ("iris = some_flowers:" + "long" * 999, "cannot be found"),
        ("Iris = some_flowers:iris", "lower-case"),
        ("iris", "module:path"),
        ("iris = some_flowers:iris\niris = some_flowers:iris", "twice"),
    ],
)
def test_what_is_advertised_wrongly_is_listed_apart_and_does_no_harm(bring: Bring, line: str, words: str) -> None:
    bring("other-flowers", "rose = other_flowers:rose", "rose")
    bring("some-flowers", line, "iris")
    (wrong,) = broken_resources(GROUP)
    assert words in wrong.reason
    assert find("rose").package == "other-flowers"
    if "twice" not in words and wrong.entry:
        with pytest.raises(ModelError, match=f"'{wrong.entry}' of some-flowers 1.0 cannot be used"):
            find(wrong.entry)


def test_a_bare_name_means_the_built_in_one_and_is_refused_where_it_means_two(bring: Bring) -> None:
    bring("some-flowers", "iris = some_flowers:iris", "iris")
    bring("other-flowers", "iris = other_flowers:iris", "iris")
    with pytest.raises(ModelError, match="Several packages offer a model called 'iris'") as caught:
        find("iris")
    assert "other-flowers:iris or some-flowers:iris" in str(caught.value.hint)
    assert find("some-flowers:iris").package == "some-flowers"
    ours = Resource("iris", "stackgan-cli", "1.0", Path("iris"))
    assert find("iris", ours) == ours


def test_unknown_names_are_answered_with_the_nearest_and_all_there_are(bring: Bring) -> None:
    bring("some-flowers", "iris = some_flowers:iris", "iris")
    for name in ("irsi", "other-flowers:iris", ""):
        with pytest.raises(ModelError, match=f"There is no model called '{name}'") as caught:
            find(name)
        assert "There are: drawn-birds, iris; or name a folder" in str(caught.value.hint)
        assert ("Did you mean" in str(caught.value.hint)) == bool(name)


def test_plugins_that_the_variable_leaves_out_bring_nothing(bring: Bring, monkeypatch: pytest.MonkeyPatch) -> None:
    bring("some-flowers", "iris = some_flowers:iris", "iris")
    monkeypatch.setenv("STACKGAN_PLUGINS", "Some_Flowers")
    assert [each.name for each in theirs()] == ["iris"]
    assert absent_plugins() == []
    monkeypatch.setenv("STACKGAN_PLUGINS", "")
    assert theirs() == broken_resources(GROUP) == []
    with pytest.raises(ModelError, match="STACKGAN_PLUGINS"):
        find("iris")
