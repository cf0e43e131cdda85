"""Coalescing: who waits together is served together, each with its own results."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from api.coalesce import Coalescer


def test_what_comes_in_meanwhile_makes_the_next_batch() -> None:
    batches: list[list[int]] = []
    go_on = threading.Event()

    def double(numbers: Sequence[int]) -> list[int]:
        batches.append(list(numbers))
        assert go_on.wait(10)
        return [number * 2 for number in numbers]

    async def ask() -> list[Sequence[int]]:
        coalescer = Coalescer(double, most=4)
        asked = [asyncio.create_task(coalescer.do(numbers)) for numbers in ([1], [2, 3], [4, 5], [6])]
        while not batches:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)
        go_on.set()
        answers = await asyncio.gather(*asked)
        coalescer.close()
        return answers

    assert asyncio.run(ask()) == [[2], [4, 6], [8, 10], [12]]
    # A batch is full with the caller that fills it.
    assert [number for batch in batches for number in batch] == [1, 2, 3, 4, 5, 6]
    assert batches[-1][-1] == 6
    assert len(batches) < 4


def test_what_fails_fails_for_its_batch_alone() -> None:
    def refuse_odd(numbers: Sequence[int]) -> Sequence[int]:
        if any(number % 2 for number in numbers):
            raise ValueError("odd")
        return numbers

    async def ask() -> Sequence[int]:
        coalescer = Coalescer(refuse_odd, most=1)
        with pytest.raises(ValueError, match="odd"):
            await coalescer.do([1])
        answer = await coalescer.do([2])
        coalescer.close()
        return answer

    assert asyncio.run(ask()) == [2]


def test_who_has_gone_away_harms_nobody() -> None:
    go_on = threading.Event()

    def wait(numbers: Sequence[int]) -> Sequence[int]:
        assert go_on.wait(10)
        return numbers

    async def ask() -> Sequence[int]:
        coalescer = Coalescer(wait, most=10)
        gone = asyncio.create_task(coalescer.do([1]))
        stays = asyncio.create_task(coalescer.do([2]))
        await asyncio.sleep(0.01)
        gone.cancel()
        go_on.set()
        answer = await stays
        coalescer.close()
        return answer

    assert asyncio.run(ask()) == [2]


def test_callers_of_several_loops_are_served_by_one() -> None:
    coalescer = Coalescer(lambda numbers: [number * 2 for number in numbers], most=100)
    found: dict[int, int] = {}

    def ask(number: int) -> None:
        [found[number]] = asyncio.run(coalescer.do([number]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    coalescer.close()
    assert found == {number: number * 2 for number in range(50)}


def test_in_the_event_loop_those_of_one_turn_are_served_together() -> None:
    batches: list[list[int]] = []

    def double(numbers: Sequence[int]) -> list[int]:
        assert threading.current_thread() is threading.main_thread()
        batches.append(list(numbers))
        return [number * 2 for number in numbers]

    async def ask() -> list[Sequence[int]]:
        coalescer = Coalescer(double, most=10, in_thread=False)
        together = await asyncio.gather(coalescer.do([1]), coalescer.do([2, 3]))
        return [*together, await coalescer.do([4])]

    assert asyncio.run(ask()) == [[2], [4, 6], [8]]
    assert batches == [[1, 2, 3], [4]]


def test_in_the_event_loop_who_is_on_the_way_is_served_together_and_no_more_than_fit() -> None:
    batches: list[list[int]] = []

    def double(numbers: Sequence[int]) -> list[int]:
        batches.append(list(numbers))
        return [number * 2 for number in numbers]

    async def ask() -> list[Sequence[int]]:
        coalescer = Coalescer(double, most=3, in_thread=False)

        async def after(turns: int, number: int) -> Sequence[int]:
            for _ in range(turns):
                await asyncio.sleep(0)
            return await coalescer.do([number])

        return await asyncio.gather(*(after(number % 3, number) for number in range(7)))

    assert asyncio.run(ask()) == [[number * 2] for number in range(7)]
    assert len(batches) == 3
    assert all(len(batch) <= 3 for batch in batches)


def test_in_event_loops_each_caller_is_served_whichever_ends_first() -> None:
    coalescer = Coalescer(lambda numbers: [number * 2 for number in numbers], most=2, in_thread=False)
    found: dict[int, int] = {}

    def ask(number: int) -> None:
        [found[number]] = asyncio.run(coalescer.do([number]))

    for _ in range(20):
        found.clear()
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert found == {number: number * 2 for number in range(20)}


def test_who_was_just_answered_and_asks_again_is_waited_for() -> None:
    batches: list[int] = []

    def take_a_while(numbers: Sequence[int]) -> Sequence[int]:
        batches.append(len(numbers))
        time.sleep(0.05)
        return numbers

    async def ask() -> None:
        coalescer = Coalescer(take_a_while, most=100)

        async def again_and_again(number: int) -> None:
            for _ in range(4):
                await coalescer.do([number])
                # A client on the same connection needs a moment.
                await asyncio.sleep(0.002)

        await asyncio.gather(*(again_and_again(number) for number in range(8)))
        coalescer.close()

    asyncio.run(ask())
    # Without waiting, those who come back a moment later make a batch of their own each time.
    assert batches == [8, 8, 8, 8]
