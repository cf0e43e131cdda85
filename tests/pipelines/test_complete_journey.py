"""The mapping files of a real public log, The Complete Journey: its columns by a few invented rows, and the whole of it
where it is at hand.
"""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cdp.settings import DATA
from tests.cdp.test_columns import BEHAVIOUR
from tests.pipelines.runs import published, run, settings_in

pytestmark = pytest.mark.slow

FILES = ("transactions_sample.csv.gz", "campaigns.csv", "coupon_redemptions.csv", "demographics.csv")
ROWS = {
    "transactions_sample.csv": [
        "household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,"
        "week,transaction_timestamp",
        "1,309,31,940996,1.0,3.86,0.43,0.0,0.0,5,2017-03-10 19:06:53",
        "1,309,31,940997,2.0,1.14,0.0,0.5,0.0,5,2017-03-10 19:06:53",
        "1,309,32,940996,1.0,2.00,0.0,0.0,0.0,9,2017-03-24 08:00:00",
        "2,309,33,940996,1.0,7.00,0.0,0.0,0.0,9,2017-03-24 09:00:00",
    ],
    "campaigns.csv": ["campaign_id,household_id", "1,1", "2,1", "1,2"],
    "coupon_redemptions.csv": ["household_id,coupon_upc,campaign_id,redemption_date", "1,513,2,2017-03-20"],
    "demographics.csv": ["household_id,age,income", "1,65+,35-49K", "3,35-44,25-34K"],
}
COLUMNS = (
    "customer_id, order_count, order_value, discount_order_count, order_cadence_days, email_delivered_count, "
    "email_clicked_count, email_converted_count, lifecycle_stage"
)


def taken_in(home: Path, folder: Path) -> list[tuple[Any, ...]]:
    for mapping in (DATA / "examples" / "complete_journey").glob("*.mapping.yaml"):
        shutil.copy(mapping, folder)
    settings = settings_in(home)
    assert run(settings, folder)["rejected"] == 0
    return published(
        settings,
        f"select distinct {COLUMNS} from profiles.metrics join identity.members using (profile_id) "
        "join conformed.observations using (observation_id) where valid_to_run is null order by customer_id",
    )


def test_baskets_mailings_and_redemptions_become_metrics(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, lines in ROWS.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    assert taken_in(tmp_path / "var", folder) == [
        ("1", 2, Decimal("7.00"), 1, 13.54, 2, 1, 1, "new"),
        ("2", 1, Decimal("7.00"), 0, None, 1, 0, 0, "new"),
        ("3", 0, Decimal("0.00"), 0, None, 0, 0, 0, "prospect"),
    ]


@pytest.mark.skipif(not BEHAVIOUR.exists(), reason="the public log is not on this machine")
def test_the_whole_log_adds_up(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in FILES:
        (folder / name).symlink_to(BEHAVIOUR / name)
    rows = taken_in(tmp_path / "var", folder)
    assert len(rows) == 2_379
    assert sum(row[1] for row in rows) == 47_243, "baskets"
    assert sum(row[2] for row in rows) == Decimal("233935.24")
    assert (sum(row[5] for row in rows), sum(row[6] for row in rows)) == (6_589, 792)
