"""The summary on a terminal: one table of the agents, one of the policy's scenarios."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table

from mobile_vla.evaluation.statistics import Proportion
from mobile_vla.evaluation.summary import AgentSummary, RunSummary, Tally


def percent(share: float | None) -> str:
    """Return `share` (0 to 1) as `98.3 %`, or `-` for None."""
    return "-" if share is None else f"{share * 100:.1f} %"


def interval(proportion: Proportion) -> str:
    """Return the 95 % interval as `95.8 to 99.4 %`, or `-` without observations."""
    low, high = proportion.ci95
    return f"{low * 100:.1f} to {high * 100:.1f} %" if proportion.n else "-"


def tables(summary: RunSummary) -> Group:
    """Return both tables, to be printed with a rich console."""
    headline = summary.headline
    return Group(agent_table(summary), scenario_table(headline))


def agent_table(summary: RunSummary) -> Table:
    """Return the table with one row per agent."""
    table = _table("Closed loop, by agent", "agent")
    for name, agent in summary.agents.items():
        table.add_row(name, *_cells(agent.overall), style="bold" if agent is summary.headline else "")
    return table


def scenario_table(agent: AgentSummary) -> Table:
    """Return the table with one row per scenario of `agent`."""
    table = _table(f"{agent.agent}, by scenario", "scenario")
    for name, tally in agent.scenarios.items():
        table.add_row(name, *_cells(tally))
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title)
    table.add_column(first, no_wrap=True)
    for column in ("success", "n", "95 % interval", "side followed", "of n"):
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _cells(tally: Tally) -> tuple[str, str, str, str, str]:
    return (
        percent(tally.success.share),
        str(tally.success.n),
        interval(tally.success),
        percent(tally.side.share),
        str(tally.side.n),
    )
