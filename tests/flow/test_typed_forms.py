"""Whichever platforms a batch holds, its typed rows have the same columns."""

import pytest

from orderpipe.lake import models
from orderpipe.lake.reference import load_reference

KINDS = ("orders", "refunds", "products", "stock")


@pytest.fixture(scope="module")
def con(new_pool):
    """A connection on which the models can be asked what they give."""
    pool = new_pool()
    load_reference(pool.run.lake, pool.settings)
    pool.run.lake.execute("CREATE OR REPLACE TABLE staging.payloads AS FROM vault.raw.payloads LIMIT 0")
    return pool.run.lake


@pytest.mark.parametrize("kind", KINDS)
def test_every_platform_s_model_of_a_kind_has_the_same_columns(con, kind):
    shapes = {
        name: {column: type_ for column, type_, *_ in con.execute(f"DESCRIBE {models.model(name)}").fetchall()}
        for name in models.stage_models("staging")
        if name.endswith(f"_{kind}")
    }
    assert shapes
    one = next(iter(shapes.values()))
    assert {name: shape for name, shape in shapes.items() if shape != one} == {}
