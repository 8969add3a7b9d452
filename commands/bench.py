"""`sentinel bench`: how fast it is here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sentinel_cli.benching import PARTITIONS
from sentinel_cli.options import JsonFlag, Workers
from sentinel_cli.output import emit_json

if TYPE_CHECKING:
    from sentinel_cli.benching.suite import Part
    from sentinel_cli.benching.trial import Trial
    from sentinel_cli.context import Context

app = typer.Typer(
    no_args_is_help=True,
    help="""Measure the commands on real Kafka and Redis, each beside the raw drain of the same records.

    Uses the servers that the settings name, or the local stack if it is up, or starts some for itself.
    Topics, consumer groups and keys are its own, and gone at the end, also after Ctrl-C. Each figure is
    the median of several rounds; starting and warming up count for nothing.""",
)

Records = Annotated[int, typer.Option("--records", min=1_000, help="Transactions in each round.")]
Users = Annotated[int, typer.Option("--users", min=1, help="Users behind them.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Rounds, of which the median counts.")]
Partitions = Annotated[int, typer.Option("--partitions", min=1, help="Partitions of each topic.")]
Source = Annotated[
    Literal["auto", "native", "plain"], typer.Option("--source", help="How the detector takes records.")
]
Delivery = Annotated[
    Literal["idempotent", "transactional"], typer.Option("--delivery", help="How alerts are sent.")
]
Profile = Annotated[
    bool,
    typer.Option(
        "--profile",
        help="Run once more, uncounted, under py-spy or else cProfile; leaves its report in this folder.",
    ),
]


@app.command()
def produce(
    ctx: typer.Context,
    records: Records = 1_000_000,
    users: Users = 20_000,
    rounds: Rounds = 3,
    partitions: Partitions = PARTITIONS,
    profile: Profile = False,
    json: JsonFlag = False,
) -> None:
    """Transactions made, sent and acknowledged a second.

    Synthetic ones, as fast as they go, each with its label.
    """
    from sentinel_cli.benching import producing

    def measure(trial: Trial) -> list[dict[str, Any]]:
        result = producing.measure(trial, records, users, rounds)
        if profile:
            producing.profile(trial, records, users)
        return [result]

    _print(ctx.obj, _measured(ctx.obj, [(partitions, measure)]), json=json)


@app.command()
def detect(
    ctx: typer.Context,
    records: Records = 3_000_000,
    users: Users = 20_000,
    hot: Annotated[bool, typer.Option("--hot", help="One user has half of the traffic.")] = False,
    features: Annotated[
        int,
        typer.Option("--features", min=0, max=900, help="Numbers for models in each record, 7 bytes each."),
    ] = 0,
    source: Source = "auto",
    delivery: Delivery = "idempotent",
    workers: Workers = 1,
    cache: Annotated[
        int,
        typer.Option("--cache", min=0, help="Profiles that the worker remembers; 0: as the settings say."),
    ] = 0,
    rounds: Rounds = 3,
    partitions: Partitions = PARTITIONS,
    profile: Profile = False,
    json: JsonFlag = False,
) -> None:
    """Transactions scored a second, exactly once.

    All of them wait on Kafka, 280 bytes of JSON each, and 1 % are alerts. Every round is checked: all
    scored, and on the topic exactly the alerts that there had to be, each once.
    """
    from sentinel_cli.benching import detecting
    from sentinel_cli.benching.records import Shape

    way = detecting.Way(source, delivery, workers, cache)

    def measure(trial: Trial) -> list[dict[str, Any]]:
        result = detecting.measure(trial, trial.fill(Shape(records, users, hot, features)), way, rounds)
        if profile:
            detecting.profile(trial, way)
        return [result]

    _print(ctx.obj, _measured(ctx.obj, [(partitions, measure)]), json=json)


@app.command()
def respond(
    ctx: typer.Context,
    alerts: Annotated[int, typer.Option("--alerts", min=100, help="Alerts in each round.")] = 50_000,
    users: Users = 20_000,
    rounds: Rounds = 3,
    partitions: Partitions = PARTITIONS,
    profile: Profile = False,
    json: JsonFlag = False,
) -> None:
    """Alerts acted on a second, exactly once.

    A detector raised them, of every severity, and all of them wait on Kafka.
    """
    from sentinel_cli.benching import responding

    def measure(trial: Trial) -> list[dict[str, Any]]:
        result = responding.measure(trial, responding.fill(trial, alerts, users), users, rounds)
        if profile:
            responding.profile(trial)
        return [result]

    _print(ctx.obj, _measured(ctx.obj, [(partitions, measure)]), json=json)


@app.command()
def latency(
    ctx: typer.Context,
    rate: Annotated[float, typer.Option("--rate", min=100, help="Transactions a second.")] = 10_000,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Of traffic, after a warm-up.")] = 20,
    users: Users = 20_000,
    source: Source = "auto",
    delivery: Delivery = "idempotent",
    partitions: Partitions = PARTITIONS,
    json: JsonFlag = False,
) -> None:
    """Milliseconds from a transaction sent to its alert received.

    From the producer's timestamp to the alert in a consumer's hands, at an even pace.
    """
    from sentinel_cli.benching import latency as pace
    from sentinel_cli.benching.detecting import Way

    def measure(trial: Trial) -> list[dict[str, Any]]:
        return [pace.measure(trial, rate, seconds, users, Way(source, delivery))]

    _print(ctx.obj, _measured(ctx.obj, [(partitions, measure)]), json=json)


@app.command()
def burst(
    ctx: typer.Context,
    rate: Annotated[float, typer.Option("--rate", min=100, help="Transactions a second.")] = 10_000,
    times: Annotated[float, typer.Option("--times", min=1, help="So many times that in the burst.")] = 10,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="Before, during and after the burst, each.")
    ] = 10,
    users: Users = 20_000,
    source: Source = "auto",
    delivery: Delivery = "idempotent",
    partitions: Partitions = PARTITIONS,
    json: JsonFlag = False,
) -> None:
    """Latency and lag while ten times the traffic comes.

    And how long until no more waits than before.
    """
    from sentinel_cli.benching import burst as rush
    from sentinel_cli.benching.detecting import Way

    def measure(trial: Trial) -> list[dict[str, Any]]:
        return [rush.measure(trial, rate, times, seconds, users, Way(source, delivery))]

    _print(ctx.obj, _measured(ctx.obj, [(partitions, measure)]), json=json)


@app.command()
def backtest(
    ctx: typer.Context,
    records: Records = 1_000_000,
    users: Users = 20_000,
    rounds: Rounds = 3,
    partitions: Partitions = PARTITIONS,
    profile: Profile = False,
    json: JsonFlag = False,
) -> None:
    """Transactions judged a second, from a topic with its labels."""
    from sentinel_cli.benching import backtesting

    def measure(trial: Trial) -> list[dict[str, Any]]:
        result = backtesting.measure(trial, records, users, rounds)
        if profile:
            backtesting.profile(trial)
        return [result]

    _print(ctx.obj, _measured(ctx.obj, [(partitions, measure)]), json=json)


@app.command(name="all")
def everything(
    ctx: typer.Context,
    records: Records = 3_000_000,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Of traffic for the latency.")] = 20,
    rounds: Rounds = 3,
    partitions: Partitions = PARTITIONS,
    json: JsonFlag = False,
) -> None:
    """All of these, and the detector over hard shapes.

    docs/performance.md is made of what this prints with --json.
    """
    from sentinel_cli.benching import suite

    _print(ctx.obj, _measured(ctx.obj, suite.parts(records, seconds, rounds, partitions)), json=json)


def _measured(context: Context, parts: list[Part]) -> dict[str, Any]:
    """The machine, and the results of all ``parts``, each on topics of its own with so many partitions."""
    from sentinel_cli.benching import machine

    described = machine.describe()
    results = []
    with _undisturbed(context):
        for partitions, measure in parts:
            with _trial(context, partitions) as trial:
                results += measure(trial)
    return {"machine": described, "results": results}


@contextmanager
def _undisturbed(context: Context) -> Iterator[None]:
    """One benchmark at a time, and Ctrl-C undoes what was begun."""
    from sentinel_cli.demo.ending import Ending
    from sentinel_cli.demo.lock import alone

    ending = Ending()
    with alone(context.settings.home / "bench.lock", "benchmark"), ending.not_afterwards():
        yield


@contextmanager
def _trial(context: Context, partitions: int) -> Iterator[Trial]:
    from sentinel_cli.benching.trial import trial
    from sentinel_cli.stack import ConsoleReport

    with trial(context.flags, ConsoleReport(context.err), partitions) as made:
        yield made


def _print(context: Context, document: dict[str, Any], *, json: bool) -> None:
    """`--json` of a single benchmark is one flat document."""
    from sentinel_cli.benching import table

    if not json:
        context.out.print(table.draw(document))
    elif len(document["results"]) == 1:
        emit_json({**document["results"][0], "machine": document["machine"]})
    else:
        emit_json(document)
