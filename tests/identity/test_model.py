"""The linkage model: the declaration and the shipped parameters match."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from cdp.errors import IdentityError
from identity.evaluate import b_cubed, exact_clusters, pairwise
from identity.model import COMPARISONS, SHIPPED, load_model


def test_the_shipped_parameters_are_shares() -> None:
    model = load_model()
    for comparison in COMPARISONS:
        for column in (0, 1):
            total = sum(model.levels[comparison.name][level.name][column] for level in comparison.levels)
            assert total == pytest.approx(1.0, abs=0.001), comparison.name


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 1, "match_rate": "x", "levels": {}}'])
def test_an_invalid_model_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(content)
    with pytest.raises(IdentityError) as caught:
        load_model(path)
    assert str(path) in caught.value.line()
    assert "\n" not in caught.value.line()


def test_a_model_with_other_comparisons_is_refused(tmp_path: Path) -> None:
    content = json.loads(SHIPPED.read_text())
    del content["levels"]["surname"]["typo"]
    path = tmp_path / "model.json"
    path.write_text(json.dumps(content))
    with pytest.raises(IdentityError, match="surname"):
        load_model(path)


def test_measures_on_four_records() -> None:
    records = pl.DataFrame(
        {"cluster_id": ["x", "x", "x", "y"], "entity_id": ["a", "a", "b", "b"], "record_id": range(4)}
    )
    counted = pairwise(records)
    assert (counted.true_pairs, counted.predicted_pairs, counted.shared_pairs) == (2, 3, 1)
    assert counted.precision == pytest.approx(1 / 3)
    assert counted.recall == pytest.approx(1 / 2)
    assert b_cubed(records).precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1) / 4)
    assert b_cubed(records).recall == pytest.approx((1 + 1 + 1 / 2 + 1 / 2) / 4)
    assert exact_clusters(records) == 0.0
    assert exact_clusters(records.with_columns(cluster_id=pl.col("entity_id"))) == 1.0
