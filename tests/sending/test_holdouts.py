from __future__ import annotations

from cdp.decision import Holdout
from cdp.store import Store
from tests.cdp.deciding import policy
from tests.sending.world import World


def test_a_share_of_the_people_gets_nothing_and_it_stays_the_same_share(store: Store) -> None:
    world = World(store, policy=policy(holdout_share=0.3, frequency_caps={"all": {"per_day": 9}}))
    people = world.people(*(f"person{number}" for number in range(200)))
    first = world.send_all(*(world.wanted(one) for one in people))
    held = {one.profile_id for one in first if one.reason == "held_out"}
    assert 35 < len(held) < 85
    world.close()
    # Another share later moves nobody who has been asked for.
    world = World(store, policy=policy(holdout_share=0.9, frequency_caps={"all": {"per_day": 9}}))
    again = world.send_all(*(world.wanted(one) for one in people))
    assert {one.profile_id for one in again if one.reason == "held_out"} == held
    data = {"order_id": "1", "tracking_url": "https://x"}
    service = world.send_all(
        *(world.wanted(one, "order_shipped", purpose="transactional", data=data) for one in people)
    )
    assert {one.state for one in service} == {"queued"}
    world.close()


def test_a_campaign_has_its_own(world: World) -> None:
    people = world.people(*(f"person{number}" for number in range(100)))
    sent = world.send_all(*(world.wanted(one, holdouts=(Holdout("summer", 0.5),)) for one in people))
    assert 30 < sum(one.reason == "held_out" for one in sent) < 70
