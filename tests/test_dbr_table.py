"""The hand-typed table agrees with the recorded bytes: measuring against it is measuring against EPICS."""

from __future__ import annotations

from typing import Any

import pytest

from tests import dbr_table, golden

WITH_VALUES = [v for v in golden.messages() if "dbr" in v.decoded.get("fields", {}) and v.decoded["data_type"] <= 38]


@pytest.mark.parametrize("vector", WITH_VALUES, ids=str)
def test_table_decodes_the_recording(vector: golden.Vector) -> None:
    head = vector.decoded
    payload = vector.wire[head["header_size"] :]
    kind, count = head["data_type"], head["data_count"]
    payload += bytes(max(0, dbr_table.TYPES[kind][1] + count * dbr_table.TYPES[kind][2] - len(payload)))
    have = dbr_table.decode(kind, count, payload)
    want: dict[str, Any] = dict(head["fields"]["dbr"], value=golden.expected_values(head))
    for name, value in want.items():
        value, other = golden.number(value) if not isinstance(value, list) else value, have[name]
        if isinstance(value, list):
            assert len(other) == len(value)
            assert all(golden.same(one, two) for one, two in zip(other, value, strict=True)), name
        else:
            assert golden.same(other, value), name
