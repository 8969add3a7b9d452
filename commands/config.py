"""`sentinel config`: what the settings are and where they come from, and whether they are right."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.markup import escape

from sentinel_cli import config, config_file, sources
from sentinel_cli.config import Settings
from sentinel_cli.context import Context
from sentinel_cli.options import JsonFlag, Yes
from sentinel_cli.output import confirm, emit_json

app = typer.Typer(no_args_is_help=True)

HEAD = """\
# Settings of Stream-Sentinel. Each stands here at its default: take the '#' away and change it.
# The environment wins over this file, and flags win over both; the environment's name of a setting
# stands in brackets. `sentinel config show` prints what is in force and where it came from.
"""
TAIL = """
# A profile is chosen by --profile or SENTINEL_PROFILE, and wins over the tables above.
#[profiles.staging]
#prefix = "staging"
#kafka.servers = "kafka.staging:9092"
"""


@app.command()
def show(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Print every setting and where it came from.

    Secrets are masked. The origin is the flag, the variable, or the line of the file.
    """
    context: Context = ctx.obj
    settings = config.explain(context.flags)
    if as_json:
        emit_json({name: {"value": value, "origin": origin} for name, value, origin in settings})
        return
    from rich.table import Table

    table = Table("setting", "value", "origin", box=None, pad_edge=False)
    for name, value, origin in settings:
        table.add_row(name, _text(value), origin, style="dim" if origin == config.DEFAULT else None)
    context.out.print(table, markup=False)


@app.command()
def check(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Check settings, profiles, scorecard and policy.

    Nothing is connected to: that is what `sentinel doctor` does.
    """
    context: Context = ctx.obj
    for warning in _misspelt():
        context.err.print(f"[yellow]sentinel:[/yellow] {warning}")
    checked = _checked(context)
    if as_json:
        emit_json(checked)
        return
    for part, what in checked.items():
        context.out.print(f"[green]ok[/green]  {part}: {escape(what or 'none')}")


@app.command()
def init(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path(config_file.NAME),
    yes: Yes = False,
) -> None:
    """Write a settings file with every setting in it.

    Each stands there with what it may be, commented out, at its default.
    """
    context: Context = ctx.obj
    if path.exists():
        confirm(f"{path} exists. Overwrite it?", yes=yes)
    _write(path, template())
    context.err.print(f"Wrote {path}.", markup=False)


def template() -> str:
    """The text of a settings file with everything in it."""
    return "".join([HEAD, *_section(Settings, ()), TAIL])


def _section(model: type[BaseModel], within: sources.Key) -> Iterator[str]:
    tables = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tables.append((name, field.annotation))
        elif field.description:
            yield _entry((*within, name), field)
    for name, table in tables:
        yield f"\n# {table.__doc__}\n[{name}]\n"
        yield from _section(table, (name,))


def _entry(key: sources.Key, field: FieldInfo) -> str:
    default = field.examples[0] if field.examples else field.default
    variable = next(name for name, known in sources.environment_names(Settings).items() if known == key)
    return (
        f"\n# {field.description} [{variable}]\n# {config.allowed(key)}\n#{key[-1]} = {json.dumps(default)}\n"
    )


def _checked(context: Context) -> dict[str, str]:
    """What was read, by part. Raises ConfigError or ScorecardError for the first that is wrong."""
    from sentinel_cli.engine import scorecard, severity
    from sentinel_cli.streaming import kafka

    settings = context.settings
    file = config_file.File(Settings, settings.config)
    for profile in file.profiles:
        config.load({**context.flags, "profile": profile})
    kafka.admin(settings)  # librdkafka names a property that it does not know
    card = scorecard.load(settings.detect.scorecard)
    severity.load(settings.respond.policy)
    return {
        "file": str(file.path or ""),
        "profiles": ", ".join(file.profiles),
        "scorecard": f"{settings.detect.scorecard or 'packaged'}, version {card.version[:12]}",
        "policy": str(settings.respond.policy or "packaged"),
    }


def _misspelt() -> Iterator[str]:
    """Variables that look like ours and are not. Others use the prefix too, so no error."""
    known = {*sources.environment_names(Settings), "SENTINEL_CONFIG", "SENTINEL_PROFILE", "SENTINEL_HOME"}
    for name in sorted(os.environ):
        if name.startswith("SENTINEL_") and name.removesuffix("_FILE") not in known:
            for near in difflib.get_close_matches(name, known, n=1, cutoff=0.85):
                yield f"{name} is in the environment and is no setting; did you mean {near}?"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _write(path: Path, text: str) -> None:
    """All of it or nothing: written beside, then renamed."""
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
