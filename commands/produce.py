"""`sentinel produce`: synthetic transactions to Kafka, and the truth about them to `labels`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel_cli.errors import SentinelError
from sentinel_cli.options import JsonFlag, instant
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from rich.console import Console

    from sentinel_cli.streaming.producing import Order, Progress, Summary


def command(
    ctx: typer.Context,
    tps: Annotated[
        float, typer.Option("--tps", min=0, help="Transactions a second; 0: as fast as possible.")
    ] = 0,
    duration: Annotated[
        float | None, typer.Option("--duration", min=0.001, help="Stop after so many seconds.")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=0, help="Stop after so many transactions.")
    ] = None,
    users: Annotated[int, typer.Option("--users", min=1, help="Users behind the cards.")] = 20_000,
    fraud_rate: Annotated[
        float, typer.Option("--fraud-rate", min=0, max=1, help="Share of fraudulent transactions.")
    ] = 0.035,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="NAME",
            help="Only this kind of fraud; may be repeated: account_takeover, bust_out, card_testing, "
            "impossible_travel, low_and_slow, merchant_breach, rapid_fire.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="The same seed gives the same records.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", metavar="TIME", help="Time of the first transaction, RFC 3339.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Write synthetic transactions to `transactions`, and the truth about them to `labels`.

    With --tps alone, timestamps are the present. Otherwise users live at their own pace, a transaction
    every two days on average, however fast the records are sent: from --start, or with a --seed from
    2017-12-01, or such that --count of them end about now.

    What is reported as produced is what Kafka acknowledged. Ctrl-C ends it cleanly.
    """
    from datasets.traffic import SCENARIO_NAMES
    from sentinel_cli.streaming import processes, producing

    context = ctx.obj
    order = producing.Order(
        count=count,
        duration=duration,
        tps=tps or None,
        users=users,
        fraud_rate=fraud_rate,
        scenarios=tuple(scenario) if scenario else SCENARIO_NAMES,
        seed=seed,
        start=instant("--start", start),
    )

    def produce(register_stop: Callable[[Callable[[], None]], None]) -> Summary:
        stop = threading.Event()
        register_stop(stop.set)
        with _shown(context.err, order) as show:
            return producing.run(context.settings, order, stop, show, lambda text: typer.echo(text, err=True))

    (summary,) = processes.run_workers([produce])
    if json:
        emit_json(asdict(summary))
    else:
        context.out.print(_sentence(summary))
    if summary.failed:
        raise SentinelError(
            f"Kafka did not acknowledge {summary.failed:,} records ({summary.reason}); "
            "they are not counted as produced."
        )


@contextmanager
def _shown(err: Console, order: Order) -> Iterator[Callable[[Progress], None]]:
    """A line on a terminal's stderr while records are sent."""
    from rich import progress

    limit = order.limit()
    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        console=err,
        disable=not err.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task("Producing", total=None if limit == float("inf") else limit, rate="")

        def show(so_far: Progress) -> None:
            rate = so_far.sent / so_far.elapsed_s if so_far.elapsed_s else 0
            bar.update(
                task,
                completed=so_far.sent,
                description=f"{so_far.sent:,} transactions, {so_far.fraud:,} of them fraud",
                rate=f"{rate:,.0f} a second",
            )

        yield show


def _sentence(s: Summary) -> str:
    text = (
        f"Produced {s.produced:,} transactions in {s.elapsed_s:.1f} s ({s.tps:,} a second): "
        f"{s.fraud:,} of them fraud, in {s.episodes:,} episodes; {s.labels:,} labels. "
    )
    if s.event_time:
        text += f"They happen from {s.event_time[0]} to {s.event_time[1]} (seed {s.seed})."
    if s.ended == "present":
        text += " It ended because their time reached the present: give more --users or an earlier --start."
    return text
