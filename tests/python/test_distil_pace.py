"""Pace, circuit breaker and ledger against a clock that a test moves."""

from __future__ import annotations

import asyncio
import email.utils
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepsport.distil.breaker import Breaker
from deepsport.distil.failures import (
    BudgetSpentError,
    EndpointError,
    FailureKind,
    classify_status,
    retry_after_seconds,
)
from deepsport.distil.journal import Totals
from deepsport.distil.ledger import Ledger
from deepsport.distil.pace import Pace, Spacing
from deepsport.distil.settings import Budget, PaceSettings, TeacherSettings


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


def paced(clock, **values):
    return Pace(PaceSettings(**values), clock=clock, sleep=clock.sleep)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 400), st.lists(st.floats(0, 20), min_size=1, max_size=60))
def test_any_minute_holds_at_most_the_limit(per_minute, pauses):
    spacing, now, sent = Spacing(per_minute), 0.0, []
    for pause in pauses:
        now += pause
        for _ in range(per_minute // 2 + 1):
            now += spacing.wait_seconds(now)
            spacing.charge(1, now)
            sent.append(now)
    for start in sent:
        assert bisect_left(sent, start + 60 - 1e-6) - bisect_left(sent, start) <= per_minute


def test_requests_per_minute_are_reached_and_not_exceeded():
    clock = Clock()

    async def send():
        pace = paced(clock, requests_per_minute=120, start_concurrency=1)
        for _ in range(241):
            pace.leave(await pace.enter(0))

    asyncio.run(send())
    assert 110 <= clock.now <= 125


def test_tokens_are_corrected_by_what_was_really_used():
    async def seconds(used):
        clock = Clock()
        pace = paced(clock, tokens_per_minute=60_000, start_concurrency=1)
        for _ in range(50):
            pace.leave(await pace.enter(2_000), used)
        return clock.now

    # 50 * 2000 tokens at 1000 a second: 98 s after the first one's burst; half of it when each used 1000
    assert 90 < asyncio.run(seconds(2_000)) < 110
    assert 42 < asyncio.run(seconds(1_000)) < 56


def test_concurrency_doubles_until_the_first_objection_and_then_rises_by_one_a_round():
    clock = Clock()

    async def rounds():
        pace = paced(clock, start_concurrency=2, max_concurrency=64)

        async def one_round():
            tickets = [await pace.enter(0) for _ in range(int(pace.limit))]
            clock.now += 1
            for ticket in tickets:
                pace.succeeded()
                pace.leave(ticket)

        limits = []
        for _ in range(3):
            await one_round()
            limits.append(int(pace.limit))
        ticket = await pace.enter(0)
        pace.failed(ticket, FailureKind.THROTTLED)
        pace.leave(ticket)
        limits.append(int(pace.limit))
        for _ in range(2):
            await one_round()
            limits.append(round(pace.limit))
        return limits

    assert asyncio.run(rounds()) == [4, 8, 16, 8, 9, 10]


def test_failures_of_one_burst_halve_the_limit_once():
    clock = Clock()

    async def burst():
        pace = paced(clock, start_concurrency=16)
        clock.now = 1.0
        tickets = [await pace.enter(0) for _ in range(16)]
        clock.now = 2.0
        for ticket in tickets:
            pace.failed(ticket, FailureKind.TIMEOUT)
            pace.leave(ticket)
        return pace.limit

    assert asyncio.run(burst()) == 8.0


def test_a_server_error_does_not_change_the_limit():
    clock = Clock()

    async def fail():
        pace = paced(clock, start_concurrency=16)
        pace.failed(await pace.enter(0), FailureKind.SERVER)
        return pace.limit

    assert asyncio.run(fail()) == 16.0


def test_retry_after_keeps_everybody_quiet():
    clock = Clock()

    async def wait():
        pace = paced(clock)
        ticket = await pace.enter(0)
        pace.failed(ticket, FailureKind.THROTTLED, retry_after=30.0)
        pace.leave(ticket)
        await pace.enter(0)
        return clock.now

    assert asyncio.run(wait()) == pytest.approx(30.0)


def test_a_closed_pace_lets_everybody_go_at_once():
    clock = Clock()

    async def wait():
        pace = paced(clock, start_concurrency=1)
        await pace.enter(0)
        second = asyncio.ensure_future(pace.enter(0))
        await asyncio.sleep(0.01)
        assert not second.done()
        pace.close()
        await asyncio.wait_for(second, 5)

    asyncio.run(wait())


def broken(clock, **values):
    values = PaceSettings(breaker_failures=3, breaker_seconds=4, **values)
    return Breaker("host", values, clock=clock, sleep=clock.sleep)


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_request_try():
    clock = Clock()

    async def use():
        breaker = broken(clock)
        breaker.failed("502")
        breaker.failed("502")
        breaker.succeeded()
        for _ in range(3):
            assert not breaker.is_open
            breaker.failed("502")
        assert breaker.is_open
        await breaker.passage()
        first_try = clock.now
        breaker.failed("502")
        await breaker.passage()
        second_try = clock.now
        breaker.succeeded()
        assert not breaker.is_open
        return first_try, second_try - first_try

    first, second = asyncio.run(use())
    assert first == pytest.approx(4, abs=0.1)
    assert second == pytest.approx(8, abs=0.1)


def test_only_one_request_tries_an_open_breaker():
    clock = Clock()

    async def use():
        breaker = broken(clock)
        for _ in range(3):
            breaker.failed("502")
        await breaker.passage()
        other = asyncio.ensure_future(breaker.passage())
        for _ in range(50):
            await asyncio.sleep(0)
        assert not other.done()
        breaker.succeeded()
        await other

    asyncio.run(use())


def test_an_endless_outage_ends_the_run_with_the_last_message():
    clock = Clock()

    async def use():
        breaker = broken(clock, max_outage_seconds=100)
        for _ in range(3):
            breaker.failed("502 bad gateway")
        while True:
            await breaker.passage()
            breaker.failed("502 bad gateway")

    with pytest.raises(EndpointError, match="502 bad gateway"):
        asyncio.run(use())
    assert 100 < clock.now < 200


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
        ({"retry-after": email.utils.formatdate(1_000_030, usegmt=True)}, 30.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(headers, seconds):
    assert retry_after_seconds(headers, now=1_000_000.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "", FailureKind.THROTTLED),
        (429, "insufficient_quota", FailureKind.FORBIDDEN),
        (400, "", FailureKind.REFUSED),
        (413, "", FailureKind.REFUSED),
        (401, "", FailureKind.FORBIDDEN),
        (404, "", FailureKind.FORBIDDEN),
        (408, "", FailureKind.TIMEOUT),
        (500, "", FailureKind.SERVER),
        (529, "", FailureKind.SERVER),
    ],
)
def test_statuses_are_told_apart(status, code, kind):
    assert classify_status(status, code) is kind


def ledger(max_cost=None, max_requests=None, **totals):
    names = ["requests", "prompt_tokens", "completion_tokens", "cost", "uncertain_cost"]
    prices = TeacherSettings(
        "http://h/v1", "m", max_tokens=1000, prompt_price=1.0, completion_price=10.0
    )
    start = Totals({name: totals.get(name, 0) for name in names})
    return Ledger(prices, Budget(max_cost, max_requests), start)


def test_a_request_in_flight_holds_back_the_most_it_can_cost():
    book = ledger(max_cost=0.025)
    first = book.reserve(1000)  # 1000 * 1 + 1000 * 10 millionths
    assert first == pytest.approx(0.011)
    book.reserve(1000)
    with pytest.raises(BudgetSpentError):
        book.reserve(1000)
    assert book.may_recover
    assert book.settle(first, 1000, 100) == pytest.approx(0.002)
    book.reserve(1000)


def test_what_earlier_runs_spent_or_may_have_spent_counts():
    with pytest.raises(BudgetSpentError):
        ledger(max_cost=0.02, cost=0.005, uncertain_cost=0.005).reserve(1000)
    with pytest.raises(BudgetSpentError, match="at most 7"):
        ledger(max_requests=7, requests=7).reserve(1)


def test_a_failed_request_that_may_be_billed_stays_uncertain():
    book = ledger(max_cost=1.0)
    book.give_up(book.reserve(1000), billed=True)
    book.give_up(book.reserve(1000), billed=False)
    assert book.uncertain_cost == pytest.approx(0.011)
    assert not book.may_recover
