"""What was spent, and whether the next request may still be sent.

The totals of a job live in its journal; this keeps them in memory, and holds back, for requests in
flight, the most they can cost, so that no run ends above its budget.
"""

from __future__ import annotations

from deepsport.distil.failures import BudgetSpentError
from deepsport.distil.journal import Totals
from deepsport.distil.settings import Budget, TeacherSettings
from deepsport.errors import SettingsError

__all__ = ["Ledger"]

_UNBOUNDED_REPLY_TOKENS = 32_768  # reserved when max_tokens is not set


class Ledger:
    """Count requests, tokens and US dollars against a budget; for one event loop.

    Parameters
    ----------
    prices : TeacherSettings
    budget : Budget
    totals : Totals
        What earlier runs of the job spent.

    Raises
    ------
    SettingsError
        When there is a limit of cost and no price.
    """

    def __init__(self, prices: TeacherSettings, budget: Budget, totals: Totals) -> None:
        if budget.max_cost is not None and None in (prices.prompt_price, prices.completion_price):
            raise SettingsError(
                "max_cost needs the prices of the model: set prompt_price and completion_price, "
                "in US dollars per million tokens"
            )
        self._prices, self._budget = prices, budget
        self.requests = int(totals["requests"])
        self.prompt_tokens = int(totals["prompt_tokens"])
        self.completion_tokens = int(totals["completion_tokens"])
        self.cost = float(totals["cost"])
        self.uncertain_cost = float(totals["uncertain_cost"])
        self._in_flight_cost = 0.0
        self._open = 0

    def reserve(self, prompt_tokens: int) -> float:
        """Count a request that is about to be sent; return the most it can cost.

        Raises
        ------
        BudgetSpentError
            When it could lead beyond the budget.
        """
        limit = self._budget.max_requests
        if limit is not None and self.requests >= limit:
            raise BudgetSpentError(f"{self.requests} requests sent, at most {limit}")
        most = self._prices.cost(prompt_tokens, self._prices.max_tokens or _UNBOUNDED_REPLY_TOKENS)
        if self._budget.max_cost is not None:
            held = self.cost + self.uncertain_cost + self._in_flight_cost
            if held + most > self._budget.max_cost:
                raise BudgetSpentError(
                    f"${self.cost:.4f} spent, up to ${held - self.cost:.4f} uncertain or in flight, "
                    f"the next request may cost ${most:.4f}, at most ${self._budget.max_cost:.4f}"
                )
        self.requests += 1
        self._in_flight_cost += most
        self._open += 1
        return most

    @property
    def may_recover(self) -> bool:
        """Whether requests in flight may give back budget when they end."""
        limit = self._budget.max_requests
        return self._open > 0 and (limit is None or self.requests < limit)

    def settle(self, reserved: float, prompt_tokens: int, completion_tokens: int) -> float:
        """Replace a reservation by the real cost, and return it."""
        self._in_flight_cost -= reserved
        self._open -= 1
        cost = self._prices.cost(prompt_tokens, completion_tokens)
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self.cost += cost
        return cost

    def give_up(self, reserved: float, *, billed: bool) -> None:
        """Replace a reservation by nothing, or by an uncertain cost."""
        self._in_flight_cost -= reserved
        self._open -= 1
        if billed:
            self.uncertain_cost += reserved
