"""The stored form of a record: its fields belong to a version, and older versions are migrated."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bench.contracts import BenchError, Cell, Recipe
from bench.runs import record as records
from bench.runs.folder import Damaged, Store
from bench.runs.record import SCHEMA_VERSION, Record, read_record

GOLDEN = Path(__file__).parents[1] / "golden" / f"record-v{SCHEMA_VERSION}.txt"


def record() -> Record:
    return Record(cell=Cell("s", "t", "full", "tiny", 0, Recipe()), fingerprint="f", status="done")


def fields(kind: Any, prefix: str = "") -> list[str]:
    """The dotted names of all fields below a class, those of its parts included."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        found = {name: field.annotation for name, field in kind.model_fields.items()}
    elif typing.get_origin(kind) is typing.Annotated:
        return fields(typing.get_args(kind)[0], prefix)
    elif dataclasses.is_dataclass(kind):
        found = typing.get_type_hints(kind)
    else:
        return [name for part in typing.get_args(kind) for name in fields(part, prefix)]
    return [
        line for name, part in found.items() for line in (prefix + name, *fields(part, f"{prefix}{name}."))
    ]


def test_the_fields_are_those_of_this_schema_version() -> None:
    """Where this fails: raise SCHEMA_VERSION, add a line to MIGRATIONS, and write the new golden file."""
    assert "\n".join(fields(Record)) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_a_record_of_the_first_version_is_migrated() -> None:
    value = json.loads(record().to_json())
    value["schema_version"] = 1
    del value["seconds"]["tune"]
    assert read_record(json.dumps(value), "x") == record()


def test_migrations_are_applied_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "SCHEMA_VERSION", 4)
    monkeypatch.setitem(
        records.MIGRATIONS, 2, lambda v: {k: v[k] for k in v if k != "gone"} | {"colour": "red"}
    )
    monkeypatch.setitem(
        records.MIGRATIONS, 3, lambda v: {k: v[k] for k in v if k != "colour"} | {"reason": v["colour"]}
    )
    value = {**json.loads(record().to_json()), "schema_version": 2, "gone": 1}
    assert read_record(json.dumps(value), "x").reason == "red"


def test_an_older_version_without_a_migration_is_refused_in_one_line() -> None:
    value = {**json.loads(record().to_json()), "schema_version": 0}
    with pytest.raises(BenchError) as error:
        read_record(json.dumps(value), "x")
    assert error.value.code == "older-schema"


def test_a_sound_record_with_an_unknown_field_is_of_another_version_and_not_damaged(tmp_path: Path) -> None:
    class Newer(Record):
        colour: str = "red"

    store = Store(tmp_path)
    store.save(Newer.model_validate(record().model_dump()))
    with pytest.raises(BenchError) as raised:
        store.records()
    assert raised.value.code == "other-version"
    assert not isinstance(raised.value, Damaged)
