"""Writes cli.md and settings.md beside this file, and the table in scoring.md, from the code; and
performance.md and the tables in scaling.md from what was measured: `make reference`.

Purpose: the reference cannot say what the code does not. A test says when it is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from typer import Context

from sentinel_cli import config, sources
from sentinel_cli.app import COMMANDS, FLAGS, root
from sentinel_cli.benching import page
from sentinel_cli.benching import scaling as tables
from sentinel_cli.config import Settings
from sentinel_cli.engine.features import FEATURES
from sentinel_cli.engine.features import FLAGS as FLAGS_OF_ALERTS
from sentinel_cli.errors import ExitCode

HERE = Path(__file__).parent
SCORING = HERE.parent / "scoring.md"
SCALING = HERE.parent / "scaling.md"
PERFORMANCE = HERE.parent / "performance.md"
MEASURED = HERE.parent / "performance.json"
WIDTH = 100

CLI = """\
# Commands

Made from the code by `make reference`; the same text is what `--help` prints.

Data goes to stdout, everything else to stderr. Exit codes: {codes}.
"""

SETTINGS = """\
# Settings

Made from the code by `make reference`.

Flags win over the environment, the environment over the profile (`--profile` or `SENTINEL_PROFILE`: the
table `[profiles.NAME]` of the file), the profile over the file (`--config`, `SENTINEL_CONFIG`, else
`./sentinel.toml`, else `stream-sentinel/sentinel.toml` in the user's configuration folder), the file over
the addresses of the running local stack, and those over the defaults. `sentinel config show` prints what
is in force and where it came from, `sentinel config init` writes a file with all of it. An empty variable
counts as unset.

| setting | default | may be | environment and flag | |
|---|---|---|---|---|
{settings}

Any other key in `[kafka]` is a property of librdkafka, any other key in `[redis]` an option of redis-py;
`SENTINEL_KAFKA_PROPERTIES` and `SENTINEL_REDIS_OPTIONS` take such keys as a JSON object.

Secrets come from the environment or from files, never from flags. Each of these may also end in `_FILE`
and name a file that holds the secret: {secrets}. In `sentinel.toml`, `password_file` or
`"sasl.password_file"` do the same.

Log lines go to stderr: short ones on a terminal, elsewhere one JSON object a line with `timestamp`,
`level`, `logger`, `event` and the numbers that belong to the event.
"""


def cli() -> str:
    """Every command's own help, in the order of `sentinel --help`."""
    codes = ", ".join(f"{code.value} {code.name.lower()}" for code in ExitCode)
    helps = (_help(ctx, level) for ctx, level in _commands())
    return "\n".join([CLI.format(codes=codes), *helps])


def settings() -> str:
    """Every setting with its default, what it may be, and its names outside the file."""
    variables = sources.environment_names(Settings)
    secrets = ", ".join(f"`{name}`" for name, key in variables.items() if key in sources.SECRETS)
    rows = (_row(key, field) for key, field in sources.leaves(Settings) if field.description)
    return SETTINGS.format(settings="\n".join(rows), secrets=secrets)


def scoring() -> str:
    """scoring.md with the table of features that the engine has."""
    rows = "".join(f"| `{f.name}` | {f.meaning} | {_flags(f.name)} |\n" for f in FEATURES)
    table = f"| feature | what it is | flag |\n|---|---|---|\n{rows}"
    return _put(SCORING.read_text(encoding="utf-8"), "features", table)


def performance() -> str:
    return page.performance(json.loads(MEASURED.read_text(encoding="utf-8")))


def scaling() -> str:
    """scaling.md with the tables that follow from what was measured."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    costs = tables.Costs.of(measured)
    text = SCALING.read_text(encoding="utf-8")
    for name, table in (
        ("costs", tables.costs_table(costs)),
        ("rates", tables.by_rate(costs)),
        ("users", tables.by_users(costs)),
        ("two", tables.two_workers(measured)),
    ):
        text = _put(text, name, f"\n{table}\n\n")
    return text


def _put(text: str, name: str, table: str) -> str:
    """``table`` between the marks of this ``name``, instead of what stands there."""
    head, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(f"<!-- end of {name} -->\n")
    return f"{head}{begin}{table}{end}{tail}"


def _flags(feature: str) -> str:
    return ", ".join(f"`{flag}`" for flag, raised_by in FLAGS_OF_ALERTS.items() if feature in raised_by)


def _commands() -> Iterator[tuple[Any, int]]:
    """A context for every command there is, with its depth below `sentinel`."""
    command = root()
    command.rich_markup_mode = None
    top = Context(command, info_name="sentinel", terminal_width=WIDTH)
    yield top, 0
    for name in COMMANDS:
        yield from _below(command.load(name), top, 1)


def _below(command: Any, parent: Context, level: int) -> Iterator[tuple[Any, int]]:
    ctx = Context(command, info_name=command.name, parent=parent, terminal_width=WIDTH)
    yield ctx, level
    for each in getattr(command, "commands", {}).values():
        yield from _below(each, ctx, level + 1)


def _help(ctx: Any, level: int) -> str:
    text = "\n".join(line.rstrip() for line in ctx.command.get_help(ctx).splitlines())
    return f"{'#' * (level + 2)} {ctx.command_path}\n\n```text\n{text}\n```\n"


def _row(key: sources.Key, field: FieldInfo) -> str:
    default = "" if field.default is None else f"`{json.dumps(field.default)}`"
    names = [name for name, known in sources.environment_names(Settings).items() if known == key]
    flags = [f"--{name.replace('_', '-')}" for name, setting in FLAGS.items() if setting == ".".join(key)]
    outside = "<br>".join(f"`{name}`" for name in (*names, *flags))
    return f"| `{'.'.join(key)}` | {default} | {config.allowed(key)} | {outside} | {field.description} |"


def main() -> None:
    (HERE / "cli.md").write_text(cli(), encoding="utf-8")
    (HERE / "settings.md").write_text(settings(), encoding="utf-8")
    SCORING.write_text(scoring(), encoding="utf-8")
    PERFORMANCE.write_text(performance(), encoding="utf-8")
    SCALING.write_text(scaling(), encoding="utf-8")


if __name__ == "__main__":
    main()
