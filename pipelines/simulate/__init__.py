"""Invented people with known truth, and the logs that their sources would have written about them.

`simulate` writes logs in the real formats of SendGrid, Twilio, Segment, Firebase, WhatsApp and Shopify, plus a CRM
export and the receipts of a till, with `truth.csv` (the person behind each line of a file) and `campaigns_truth.csv`
(randomised assignment and true effect). People are made in chunks, each with its own part files, so that memory does
not grow with their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from cdp.errors import UsageError
from pipelines.simulate import fcm, segment_com, sendgrid, shopify, tables, twilio, whatsapp
from pipelines.simulate.accounts import CHANNELS, open_accounts
from pipelines.simulate.behaviour import (
    assign,
    opt_out_times,
    place_orders,
    plan_campaigns,
    send_messages,
)
from pipelines.simulate.clock import Clock, make_clock
from pipelines.simulate.draw import Rng, chance
from pipelines.simulate.files import LogFile, Redelivered, TruthFile, write_part
from pipelines.simulate.people import make_people
from pipelines.simulate.truth import campaign_truth, truth_of

CHUNK_PEOPLE = 25_000


@dataclass(frozen=True)
class SimulationSummary:
    """The output: the number of people, the files (logs and truth), and the rows by family of files."""

    people: int
    households: int
    files: tuple[Path, ...]
    rows: Mapping[str, int]

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())


def simulate(
    out: Path,
    *,
    people: int,
    seed: int = 1,
    days: int = 90,
    end: datetime,
    progress: Callable[[int, int], None] | None = None,
    chunk_people: int = CHUNK_PEOPLE,
) -> SimulationSummary:
    """Write the logs of `people` invented people in the `days` days before `end` (an aware time) below `out`.

    The same arguments give the same bytes. `progress` is called with the numbers of people done and in total.

    Raises:
        UsageError: `people` or `days` is less than 1, or `end` has no time zone.
    """
    _check(people, days, end)
    out.mkdir(parents=True, exist_ok=True)
    clock = make_clock(end, days)
    # At least two parts, because rows may be redelivered in a later part.
    size = min(chunk_people, max(1, -(-people // 2)))
    starts = range(0, people, size)
    with ExitStack() as stack:
        truth = TruthFile(stack.enter_context((out / "truth.csv").open("wb")))
        campaigns = stack.enter_context((out / "campaigns_truth.csv").open("wb"))
        run = _Run(out, clock, seed, truth, campaigns)
        for part, first in enumerate(starts, start=1):
            count = min(size, people - first)
            run.chunk(part, first, count, last=first + count == people)
            if progress:
                progress(first + count, people)
    for name, text in tables.MAPPINGS.items():
        (out / name).write_text(text, encoding="utf-8")
    return run.summary(people)


def _check(people: int, days: int, end: datetime) -> None:
    if people < 1 or days < 1:
        raise UsageError("a simulation needs at least one person and one day")
    if end.tzinfo is None:
        raise UsageError(
            "the end of the simulated period has no time zone", hint="Use a time such as 2026-11-20T00:00Z"
        )


class _Run:
    """The files being written, and the state passed from one part to the next."""

    def __init__(self, out: Path, clock: Clock, seed: int, truth: TruthFile, campaigns: BinaryIO) -> None:
        self.out = out
        self.clock = clock
        self.seed = seed
        self.truth = truth
        self.campaigns = campaigns
        self.waiting = Redelivered()
        self.rows: Counter[str] = Counter()
        self.files: list[Path] = []
        self.households = 0

    def chunk(self, part: int, first: int, count: int, *, last: bool) -> None:
        """Make `count` people and write their part of each family of files."""
        rng = np.random.default_rng([self.seed, part])
        people = make_people(rng, self.clock, first, count, self.seed)
        people = open_accounts(rng, self.clock, people, self.seed)
        assignment = assign(rng, people, plan_campaigns(self.clock))
        messages = send_messages(rng, self.clock, people, assignment)
        orders = shopify.priced_orders(rng, people, place_orders(rng, self.clock, people, assignment))
        outs = opt_out_times(messages, count)
        self._write_campaigns(people, assignment, orders, header=part == 1)
        facts = truth_of(people, outs)
        known = facts if self.waiting.people is None else pl.concat([facts, self.waiting.people])
        carried = []
        for log, rows in _families(rng, self.clock, people, messages, orders, outs):
            sorted_rows = rows.with_columns(pl.col("person") + first)
            sorted_rows = sorted_rows.filter(pl.col("at") < self.clock.end).sort("at", maintain_order=True)
            written, first_lines = write_part(rng, self.out, log, part, sorted_rows, self.waiting, last)
            self.truth.add(first_lines, known)
            self.rows[log.stem] += written
            self.files.append(self.out / log.name(part))
            carried.append(self.waiting.rows[log.family]["person"])
        self.waiting.people = facts.filter(pl.col("person").is_in(pl.concat(carried).unique().implode()))
        self.households += people["home"].n_unique()

    def _write_campaigns(
        self, people: pl.DataFrame, assignment: pl.DataFrame, orders: pl.DataFrame, *, header: bool
    ) -> None:
        buffer = BytesIO()
        campaign_truth(people, assignment, orders).write_csv(buffer, include_header=header)
        self.campaigns.write(buffer.getvalue())

    def summary(self, people: int) -> SimulationSummary:
        truth = [self.out / name for name in ("truth.csv", "campaigns_truth.csv", *tables.MAPPINGS)]
        return SimulationSummary(people, self.households, (*self.files, *truth), dict(self.rows))


def _families(
    rng: Rng,
    clock: Clock,
    people: pl.DataFrame,
    messages: pl.DataFrame,
    orders: pl.DataFrame,
    outs: pl.DataFrame,
) -> Iterator[tuple[LogFile, pl.DataFrame]]:
    """Each family of files with its rows, one at a time."""
    sent = {channel: messages.filter(pl.col("channel") == channel) for channel in CHANNELS}
    mails = sendgrid.sendgrid_rows(rng, people, sent["email"])
    yield sendgrid.EVENTS, mails.filter(~pl.col("in_body")).drop("in_body")
    yield sendgrid.BODY, mails.filter("in_body").drop("in_body")
    del mails
    clicks = _clicked(rng, people, sent["sms"])
    yield from twilio.twilio_rows(rng, clock, people, sent["sms"], clicks).items()
    sms_clicks = sent["sms"].filter(clicks).select("person", "campaign", at="reacted_at")
    yield segment_com.EVENTS, segment_com.event_rows(rng, clock, people, messages, orders, sms_clicks)
    yield fcm.DELIVERY, fcm.fcm_rows(rng, people, sent["push"].filter(~pl.col("blocked")))
    yield whatsapp.WEBHOOKS, whatsapp.whatsapp_rows(rng, people, sent["whatsapp"])
    yield shopify.ORDERS, shopify.order_rows(clock, people, orders)
    yield shopify.CUSTOMERS, shopify.customer_rows(people, outs)
    yield tables.CONTACTS, tables.contact_rows(rng, people)
    yield tables.RECEIPTS, tables.receipt_rows(rng, clock, people, orders)


def _clicked(rng: Rng, people: pl.DataFrame, texts_sent: pl.DataFrame) -> pl.Series:
    """Whether each text message was answered by a click: 60% of the answers of people with a tracked browser."""
    tracked = people["has_web"].gather(texts_sent["person"])
    return texts_sent["answered"] & tracked & pl.Series(chance(rng, 0.6, texts_sent.height))
