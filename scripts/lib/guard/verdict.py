"""Figures held against their budgets."""

from collections.abc import Iterator
from dataclasses import dataclass

from guard.budgets import Budgets, kind, rounded

# A budget that a figure is so far below, as a share of it, can be lowered.
FAR_BELOW = 0.05
OVER, BELOW, WITHIN = "OVER", "far below", ""


@dataclass(frozen=True)
class Line:
    """One figure, its budget, and what comes of it."""

    scenario: str
    figure: str
    value: float
    budget: float
    verdict: str

    def __str__(self) -> str:
        change = f"{(self.value / self.budget - 1) * 100:+.1f} %" if self.budget else "" if not self.value else "new"
        columns = f"{self.scenario:18} {self.figure:16} {self.value:14,.6g} {self.budget:14,.6g} {change:>10}"
        return f"{columns}  {self.verdict}".rstrip()


def differing(budgets: Budgets, here: dict[str, str]) -> list[str]:
    """What is not as it was when the budgets were taken."""
    names = sorted(budgets.taken_with.keys() | here.keys())
    pairs = [(name, budgets.taken_with.get(name, "unknown"), here.get(name, "unknown")) for name in names]
    return [f"{name} is {now}, not {then}" for name, then, now in pairs if now != then]


def judge(budgets: Budgets, figures: dict[str, dict[str, float]], elsewhere: bool) -> Iterator[Line]:
    """Every figure that has a budget or is not 0. One without a budget may be nothing."""
    tolerance = budgets.tolerance | (budgets.elsewhere if elsewhere else {})
    for scenario, measured in figures.items():
        planned = budgets.scenarios.get(scenario, {})
        for figure in [*measured, *(name for name in planned if name not in measured)]:
            value, budget = rounded(figure, measured.get(figure, 0)), rounded(figure, planned.get(figure, 0))
            if value or budget:
                allowed = rounded(figure, budget * (1 + tolerance.get(kind(figure), 0)))
                below = value < budget * (1 - FAR_BELOW)
                yield Line(scenario, figure, value, budget, OVER if value > allowed else BELOW if below else WITHIN)


def strangers(budgets: Budgets, known: list[str], measured: list[str]) -> Iterator[str]:
    """Scenarios that the program and the file do not both have."""
    for name in measured:
        if name not in budgets.scenarios:
            yield f"{name} has no budget"
    for name in budgets.scenarios:
        if name not in known:
            yield f"there are budgets for {name}, which is no scenario"
