"""Records that choose their file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.plugin_lab import OutputSurroundings

from pillion.collector.outputs.file import PLUGIN, FileOutput, FileSettings
from pillion.collector.plugin import Again, Delivered
from pillion.collector.records import Records

TIME = 1_700_000_000_000_000_000
DAY = 86_400_000_000_000


def output(folder: Path, **settings: object) -> FileOutput:
    chosen = {"path": str(folder), "format": "plain", "fallback_path": str(folder), "fallback_file": "rest"}
    return PLUGIN.build(FileSettings(**chosen | settings), OutputSurroundings())  # type: ignore[arg-type]


def bodies(*bodies: dict[str, object]) -> Records:
    return Records(times=[TIME + DAY * index for index in range(len(bodies))], bodies=list(bodies))


def files(folder: Path) -> dict[str, str]:
    return {
        str(found.relative_to(folder)): found.read_text() for found in folder.rglob("*") if found.is_file()
    }


def test_a_field_names_the_file_and_the_folder(tmp_path: Path) -> None:
    file = output(tmp_path, path=f"{tmp_path}/$k['ns']", file="$app.log", mkdir=True)
    content = bodies(
        {"k": {"ns": "a"}, "app": "x"}, {"k": {"ns": "b"}, "app": "x"}, {"k": {"ns": "a"}, "app": "x"}
    )
    assert file.deliver("t", content) == Delivered()
    assert {name: text.count("\n") for name, text in files(tmp_path).items()} == {"a/x.log": 2, "b/x.log": 1}


def test_a_date_names_the_file_in_utc_when_asked(tmp_path: Path) -> None:
    assert output(tmp_path, file="%Y-%m-%d", enable_strftime=True).deliver("t", bodies({}, {})) == Delivered()
    assert sorted(files(tmp_path)) == ["2023-11-14", "2023-11-15"]
    output(tmp_path, file="%Y").deliver("t", bodies({}))
    assert "%Y" in files(tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "x\n", None])
def test_a_name_that_is_missing_or_unsafe_follows_the_stated_action(tmp_path: Path, name: str | None) -> None:
    record = {} if name is None else {"app": name}
    content = bodies(record, {"app": "ok"})
    verdict = output(tmp_path / "1", file="$app", mkdir=True).deliver("t", content)
    assert isinstance(verdict, Delivered)
    assert [refused.bodies for _, refused in verdict.rejected if isinstance(refused, Records)] == [[record]]
    dropping = output(tmp_path / "2", file="$app", on_missing_field="drop", mkdir=True)
    assert dropping.deliver("t", content) == Delivered()
    falling = output(tmp_path / "3", file="$app", on_missing_field="fallback", mkdir=True)
    assert falling.deliver("t", content) == Delivered()
    assert sorted(files(tmp_path)) == ["1/ok", "2/ok", "3/ok", "3/rest"]


def test_no_more_files_than_allowed(tmp_path: Path) -> None:
    file = output(tmp_path, file="$app", max_dynamic_files=2, on_limit_reached="fallback")
    file.deliver("t", bodies({"app": "a"}, {"app": "b"}, {"app": "c"}, {"app": "a"}))
    assert {name: text.count("\n") for name, text in files(tmp_path).items()} == {"a": 2, "b": 1, "rest": 1}


def test_only_the_records_of_a_file_that_cannot_be_written_remain(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    verdict = output(tmp_path, file="$app").deliver("t", bodies({"app": "a"}, {"app": "bad"}, {"app": "b"}))
    assert isinstance(verdict, Again)
    assert isinstance(verdict.remaining, Records)
    assert verdict.remaining.bodies == [{"app": "bad"}]
    assert verdict.reason == f"cannot open {tmp_path}/bad: Is a directory"


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"path": "$ns/x", "fallback_file": "f"}, "path"),
        ({"file": "$app"}, "fallback_file"),
        ({"on_missing_field": "fallback"}, "fallback_file"),
        ({"file": "%Y", "enable_strftime": True}, "fallback_file"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, object], about: str) -> None:
    with pytest.raises(ValueError, match=about):
        FileSettings(**settings)  # type: ignore[arg-type]
