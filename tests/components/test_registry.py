from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stackgan_cli.components.registry import (
    Component,
    Kind,
    absent_plugins,
    available,
    broken,
    clear_cache,
    find,
    find_any,
)
from stackgan_cli.errors import ComponentError, UsageError

ENCODERS = Kind.TEXT_ENCODER


def test_kinds_name_their_group_and_title() -> None:
    assert [kind.group for kind in Kind] == [
        "stackgan.text_encoders",
        "stackgan.stage1_generators",
        "stackgan.stage2_generators",
        "stackgan.discriminators",
        "stackgan.objectives",
        "stackgan.dataset_readers",
        "stackgan.feature_extractors",
        "stackgan.metrics",
        "stackgan.commands",
    ]
    assert Kind.STAGE1_GENERATOR.title == "stage-one generator"


@pytest.mark.parametrize("text", ["text-encoder", "text_encoders", "Text Encoder", "stackgan.text_encoders"])
def test_kind_is_read_as_people_write_it(text: str) -> None:
    assert Kind.parse(text) is ENCODERS


def test_unknown_kind_lists_the_kinds() -> None:
    with pytest.raises(UsageError) as caught:
        Kind.parse("painter")
    assert "stage1-generator" in str(caught.value.hint)


def test_built_ins_come_through_entry_points() -> None:
    names = {component.name for component in available(Kind.DISCRIMINATOR)}
    assert {"paper-stage1", "port-stage2", "residual"} <= names
    assert all(component.built_in for component in available() if component.package == "stackgan-cli")


def test_listing_imports_neither_torch_nor_any_component(broken_site: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(broken_site)!r})\n"
        "from stackgan_cli.components.registry import available, broken\n"
        "assert any(each.name == 'raises-on-import' for each in available())\n"
        "assert broken()\n"
        "heavy = {'torch', 'typer', 'numpy', 'raises_on_import', 'twins'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_list_is_sorted_with_built_ins_first(broken_site: Path) -> None:
    listed = available(ENCODERS)
    assert [each.built_in for each in listed] == sorted((each.built_in for each in listed), reverse=True)
    others = [(each.package, each.name) for each in listed if not each.built_in]
    assert others == sorted(others)


def test_malformed_entries_are_listed_and_the_good_one_beside_them_works(broken_site: Path) -> None:
    reasons = {each.entry: each.reason for each in broken() if each.package == "malformed-entries"}
    assert "lower-case" in reasons["Capital"]
    assert "lower-case" in reasons["with space"]
    assert "module:attribute" in reasons["no-attribute"]
    assert "module:attribute" in reasons["hyphen-module"]
    assert "'stackgan.text_encoders'" in reasons["wrong-group"]
    assert "twice" in reasons["fine"]
    assert find(ENCODERS, "malformed-entries:fine").factory().__name__ == "One"


def test_naming_a_malformed_entry_says_what_is_wrong_with_it(broken_site: Path) -> None:
    with pytest.raises(ComponentError, match=r"'Capital' of malformed-entries 0\.1 .* lower-case"):
        find(ENCODERS, "Capital")
    with pytest.raises(ComponentError, match=r"did they mean 'stackgan\.text_encoders'"):
        find(ENCODERS, "wrong-group")


def test_package_without_name_is_still_listed(broken_site: Path) -> None:
    assert ("unknown", "nameless", "unknown") in [(each.package, each.name, each.version) for each in available()]


def test_bare_name_means_the_built_in(broken_site: Path) -> None:
    assert find(ENCODERS, "hashed-words").built_in
    assert find(ENCODERS, "twin-one:hashed-words").target == "twins:One"


def test_two_packages_with_one_name_must_be_told_apart(broken_site: Path) -> None:
    with pytest.raises(ComponentError) as caught:
        find(ENCODERS, "twin")
    assert "twin-one:twin or twin-two:twin" in str(caught.value.hint)
    assert find(ENCODERS, "twin-two:twin").version == "2.0"


@pytest.mark.parametrize("spelling", ["twin-one:twin", "Twin.One:twin", "twin_one:twin"])
def test_package_names_may_be_spelt_as_pip_allows(broken_site: Path, spelling: str) -> None:
    assert find(ENCODERS, spelling).full_name == "twin-one:twin"


@pytest.mark.parametrize(("typed", "meant"), [("hashd-words", "hashed-words"), ("Char_CNN_RNN", "char-cnn-rnn")])
def test_unknown_name_suggests_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(ComponentError, match=f"no text encoder called '{typed}'") as caught:
        find(ENCODERS, typed)
    assert caught.value.hint == f"Did you mean {meant!r}?"
    assert caught.value.exit_code == 4


def test_name_far_from_all_lists_what_there_is() -> None:
    with pytest.raises(ComponentError) as caught:
        find(ENCODERS, "zzz")
    assert "char-cnn-rnn" in str(caught.value.hint)


def test_name_of_another_kind_is_told_so() -> None:
    with pytest.raises(ComponentError, match="'residual' is a discriminator"):
        find(Kind.STAGE1_GENERATOR, "residual")


def test_missing_package_that_a_person_typed_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["stackgan", "prepare", "--encoder", "my-encoders:tiny"])
    with pytest.raises(ComponentError, match="my-encoders, which is not installed") as caught:
        find(ENCODERS, "my-encoders:tiny")
    assert str(caught.value.hint).endswith("pip install my-encoders")


def test_nobody_is_told_to_install_what_only_a_file_names() -> None:
    with pytest.raises(ComponentError, match="evil-parts, which is not installed") as caught:
        find(ENCODERS, "evil-parts:tiny")
    assert "pip" not in str(caught.value.hint)


def test_no_command_is_offered_for_what_is_no_package_name() -> None:
    with pytest.raises(ComponentError) as caught:
        find(ENCODERS, "x; rm -rf ~:tiny")
    assert "pip install" not in f"{caught.value.message} {caught.value.hint}"


def test_plugins_variable_limits_to_named_packages(broken_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKGAN_PLUGINS", "twin_two, not-here")
    assert {each.package for each in available(ENCODERS)} == {"stackgan-cli", "twin-two"}
    assert find(ENCODERS, "twin").package == "twin-two"
    assert absent_plugins() == ["not-here"]
    with pytest.raises(ComponentError, match="comes from raises-on-import, which STACKGAN_PLUGINS leaves out"):
        find(ENCODERS, "raises-on-import")


def test_empty_plugins_variable_leaves_the_built_ins(broken_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKGAN_PLUGINS", "")
    assert {each.package for each in available()} == {"stackgan-cli"}
    assert broken() == []


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("raises-on-import", r"raises-on-import 1\.2 .* RuntimeError: the weights are nowhere to be found"),
        ("exits-on-import", r"exits-on-import 0\.3 .* SystemExit: good bye"),
        ("needs-absent", r"needs-absent 2\.0 .* No module named 'a_package_that_nobody_has'"),
        ("gone-module", r"gone-module 0\.9 .* No module named 'gone_module'"),
        ("gone-attribute", r"gone-module 0\.9 .* has no attribute 'Nowhere'"),
        ("not-callable", r"faulty-factories 4\.5 is no factory"),
    ],
)
def test_import_failure_names_package_version_and_cause(broken_site: Path, name: str, cause: str) -> None:
    with pytest.raises(ComponentError, match=cause) as caught:
        find(ENCODERS, name).factory()
    assert caught.value.hint


def test_absent_dependency_is_told_from_an_absent_module(broken_site: Path) -> None:
    with pytest.raises(ComponentError) as caught:
        find(ENCODERS, "needs-absent").factory()
    assert "a_package_that_nobody_has" in str(caught.value.hint)


def test_installed_since_is_seen_after_clearing(install: Callable[..., Path]) -> None:
    install("late-package", "[stackgan.text_encoders]\nlate = late_package:Late\n", "class Late: ...")
    assert find(ENCODERS, "late").full_name == "late-package:late"
    install("later-package", "[stackgan.text_encoders]\nlater = later_package:Later\n", "class Later: ...")
    clear_cache()
    assert find(ENCODERS, "later").version == "1.0"


def test_kind_may_be_left_out_where_the_name_says_enough() -> None:
    assert find_any("residual").kind is Kind.DISCRIMINATOR
    with pytest.raises(UsageError) as caught:
        find_any("port")
    assert "--kind stage1-generator or --kind stage2-generator" in str(caught.value.hint)


def test_nested_attributes_are_followed() -> None:
    component = Component(ENCODERS, "nested", "somewhere", "1", "collections:abc.Mapping.get")
    assert component.factory().__name__ == "get"
