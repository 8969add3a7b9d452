"""The protocol with one piece of it taken out or put elsewhere: the search must find each.

A mutation rewrites the real code where its text says what the step is, and fails loudly where that text
is no longer there.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from profiles import layout
from profiles.contract import Save
from profiles.redis_store import RedisStore
from sentinel_cli.engine import scoring
from sentinel_cli.engine.scoring import Scored
from sentinel_cli.streaming import moving, worker
from sentinel_cli.streaming.batches import Ack, Letter
from sentinel_cli.streaming.footing import FootedStore, Homes
from sentinel_cli.streaming.partition import Partition
from sentinel_cli.streaming.worker import Worker
from tests.simulation.kafka import SimSink, SimTransactor
from tests.simulation.weather import Odds

Patch = pytest.MonkeyPatch


class Mutation(NamedTuple):
    """``step`` of the order of delivery that it is about; how it is searched for: in which delivery, in
    which weather, and ``grown``: on topics that grow alone. ``first``: from this seed on, as it is rare."""

    step: str
    what: str
    put_in: Callable[[Patch], None]
    transactional: bool = False
    grown: bool = False
    odds: Odds = Odds()
    first: int = 0


def rewrite(owner: Any, name: str, *changes: tuple[str, str], **names: Any) -> Callable[[Patch], None]:
    """Puts ``changes``, each old text and new, into the source of ``owner.name``; ``names`` are what the new
    text uses beside what its module knows."""

    function = getattr(owner, name)
    text = textwrap.dedent(inspect.getsource(function))

    def put_in(patch: Patch) -> None:
        source = text
        for old, new in changes:
            assert source.count(old) == 1, f"{owner.__name__}.{name} no longer says {old!r}: {source}"
            source = source.replace(old, new)
        known = {**vars(sys.modules[function.__module__]), **names}
        exec(source, known)  # noqa: S102 - our own code, with a bug in it
        patch.setattr(owner, name, known[name])

    return put_in


# ---- step 3

Score = Callable[..., Scored]


def learn_twice(rows: layout.Profiles, *rest: Any) -> Scored:
    found = scoring.score(rows, *rest)
    scoring.score(rows, *rest)
    return found


def learn_first(rows: layout.Profiles, *rest: Any) -> Scored:
    scoring.score(rows, *rest)
    return scoring.score(rows.copy(), *rest)


def only_score(rows: layout.Profiles, *rest: Any) -> Scored:
    found = scoring.score(rows.copy(), *rest)
    rows["version"] = layout.VERSION
    return found


def in_place_of_scoring(score: Score) -> Callable[[Patch], None]:
    return rewrite(Worker, "_take", ("scored = scoring.score(", "scored = score("), score=score)


SAVE_FIRST = """
    new = np.zeros(len(slots), np.uint8)
    partition.learned(slots, new, len(slots), batch.next_offset, self._clock.monotonic())
    partition.since = -np.inf
    partition.rows["version"] = layout.VERSION
    self._move(partition)
    scored = scoring.score("""


# ---- steps 4 to 6


def no_acknowledgements(patch: Patch) -> None:
    original = SimSink.send

    def send(self: SimSink, letter: Letter, _ack: Ack) -> None:
        original(self, letter, Ack())

    patch.setattr(SimSink, "send", send)


def said_after_the_save(patch: Patch) -> None:
    rewrite(Worker, "_say", ("self._sink.send(letter, partition.ack)", "partition.letters.append(letter)"))(
        patch
    )
    rewrite(
        Worker,
        "_written",
        (
            "partition.new_blocks = blocks\n",
            "partition.new_blocks = blocks\n    [self._sink.send(each, Ack()) for each in saving.letters]\n",
        ),
    )(patch)


def offset_first(patch: Patch) -> None:
    original = RedisStore._save

    def save(self: RedisStore, save: Save) -> bool:
        if not original(self, save._replace(users=[], rows=layout.empty(0))):
            return False
        pairs = zip(save.users, layout.to_bytes(save.rows), strict=True)
        rows = [each for user, row in pairs for each in (self._keys.profile(save.partition, user), row)]
        with self._client.pipeline(transaction=True) as pipe:
            pipe.execute_command("MSET", *rows)
            pipe.execute()
        return True

    patch.setattr(RedisStore, "_save", save)


def cache_kept(patch: Patch) -> None:
    original = Worker._start_again

    def start_again(self: Worker, partition: Partition) -> None:
        original(self, partition)
        new = self._partitions.get(partition.number)
        if new is not None:
            for name in ("rows", "_slots", "_used", "_turn"):
                setattr(new, name, getattr(partition, name))
            new._changed = np.zeros_like(partition._changed)

    patch.setattr(Worker, "_start_again", start_again)


def groups_offset(patch: Patch) -> None:
    original = Worker.assigned

    def assigned(self: Worker, partitions: list[int]) -> dict[int, int | None]:
        starts = original(self, partitions)
        known = {number: self._source.committed(number) for number in partitions}
        return {n: start if known[n] is None else known[n] for n, start in starts.items()}

    patch.setattr(Worker, "assigned", assigned)


class Anything(set[object]):
    def __contains__(self, _offset: object) -> bool:
        return True


def no_strays(patch: Patch) -> None:
    patch.setattr(Homes, "strays", lambda *_: {})


SAVE = "if not self._store.save(save):"
COPIES = "moved = sum(_copy(client, keys, found, chunk) for chunk in queries.scan(client, keys))"
LEFT = "for chunk in queries.scan(client, keys):\n        left ="

MUTATIONS = [
    Mutation(
        "1", "a broken record is passed over",
        rewrite(Worker, "_letters", ("for bad in batch.poison:", "for bad in ():")),
    ),
    Mutation(
        "1", "a record that comes again is taken again",
        rewrite(
            Worker, "_take",
            ("(partition.next is not None and batch.next_offset <= partition.next)", "False"),
            ("partition.next is not None and batch.first_offset < partition.next", "False"),
        ),
    ),
    Mutation(
        "1", "what was polled before a partition began anew is taken",
        rewrite(Worker, "turn", ("if batch.partition not in self._skipping:", "if True:")),
    ),
    Mutation(
        "2", "profiles are not loaded",
        rewrite(Worker, "_load", ("loaded.profiles", "layout.empty(len(missing))")),
    ),
    Mutation(
        "2", "profiles are loaded at any offset",
        lambda patch: patch.setattr(worker, "true_offsets", lambda *_: Anything()),
    ),
    Mutation("3", "learnt twice", in_place_of_scoring(learn_twice)),
    Mutation("3", "learnt, then scored", in_place_of_scoring(learn_first)),
    Mutation("3", "scored, not learnt", in_place_of_scoring(only_score)),
    Mutation(
        "3", "saved, then scored",
        rewrite(Worker, "_take", ("\n    scored = scoring.score(", SAVE_FIRST)),
    ),
    Mutation(
        "4", "nothing is sent",
        rewrite(Worker, "_say", ("for letter in letters:", "for letter in ():")),
    ),
    Mutation("4", "acknowledgements are not awaited", no_acknowledgements),
    Mutation("4", "sent after the save", said_after_the_save),
    Mutation("5", "nothing is saved", rewrite(Worker, "_write", (SAVE, "if False:"))),
    Mutation("5", "the offset, then the profiles", offset_first),
    Mutation(
        "5", "the stored offset is not compared",
        rewrite(RedisStore, "_save", ("if _number(stored) != save.begin:", "if False:")),
    ),
    Mutation(
        "5", "the stored offset is compared, and not watched",
        rewrite(RedisStore, "_save", ('"WATCH", offset_key', '"UNWATCH"')),
    ),
    Mutation("5", "the cache is kept after a refused write", cache_kept),
    Mutation(
        "6", "Kafka is not told",
        rewrite(Worker, "_written", ("self._source.commit({partition.number: saving.save.end})", "pass")),
    ),
    Mutation(
        "6", "Kafka is told before the save",
        rewrite(Worker, "_write", (SAVE, f"self._source.commit({{save.partition: save.end}})\n    {SAVE}")),
    ),
    Mutation("6", "a worker reads on from the group's offset", groups_offset),
    Mutation(
        "4 and 6", "the save, then the transaction",
        rewrite(
            Worker, "_write",
            ("save = saving.save\n", f"save = saving.save\n    {SAVE}\n        return False, None\n"),
            (f"    {SAVE}\n        return False, None\n    try:", "    try:"),
        ),
        transactional=True,
    ),
    Mutation(
        "4 and 6", "the transaction does not hold the offset",
        rewrite(SimTransactor, "transact", ("world.committed[partition] = end", "pass")), transactional=True,
    ),
    Mutation(
        "4 and 6", "the group's generation does not fence",
        rewrite(SimTransactor, "transact", ("raise Fenced", "pass")), transactional=True,
    ),
    Mutation(
        "4 and 6", "what is out already is said again",
        rewrite(Worker, "_say", (" if letter.offset >= partition.sent", "")), transactional=True,
    ),
    Mutation(
        "hand over", "what was held before a partition went and came back is saved",
        rewrite(
            Worker, "_move",
            ("if self._partitions.get(partition.number) is not partition:", "if False:"),
        ),
        first=2_000,
    ),
    Mutation(
        "hand over", "a partition that came back is begun with its save",
        rewrite(Worker, "_begin", ("self.lost([number])", "pass")),
    ),
    Mutation(
        "hand over", "a save that waits its turn is not called off",
        rewrite(Worker, "lost", (" and not saving.future.cancel()", "")), transactional=True,
        odds=Odds(save_waits=0.6),
    ),
    Mutation(
        "hand over", "a partition that another begins meanwhile is taken for lost",
        rewrite(Worker, "_start", ("if self._store.start(number)[0] is not None:", "if False:")),
        first=400,
    ),
    Mutation("growth", "records that strayed to a user's old partition are scored", no_strays, grown=True),
    Mutation(
        "growth", "a detector goes on after a move",
        rewrite(
            FootedStore,
            "start",
            ("if laid_out != self._began_with:", "if False:"),
            ("super().start", "super(type(self), self).start"),
        ), grown=True, first=2_000,
    ),
    Mutation(
        "growth", "a detector begins partitions that its profiles are not laid out for",
        lambda patch: patch.setattr("sentinel_cli.streaming.footing.check", lambda *_: None), grown=True,
    ),
    Mutation(
        "growth", "the number counts before the profiles are there",
        rewrite(
            moving, "move", (f"        {COPIES}\n", ""), (f"    {LEFT}", f"    {COPIES}\n    {LEFT}")
        ),
        grown=True,
    ),
    Mutation(
        "growth", "profiles move on a Redis that falls back",
        rewrite(moving, "move", ("pipe.watch(keys.partitions())", "pass")), grown=True,
    ),
]  # fmt: skip
