"""The stream of transactions: honest bouts and fraud episodes, in event order, for ever.

Purpose: `Traffic(plan).take(n)`, the next n transactions.

Design: the stream is made in spans of event time that hold some 16,000 transactions. For each span
a generator, seeded by the plan's seed and the span's number alone, lays out whole bouts and whole
episodes; purchases that come later wait. So neither how many are taken at once nor when can change
a record. Honest bouts fill what the span lacks once what earlier spans began has been counted in.
Of each scenario as many episodes begin as its share asks for; what the span then lacks of fraud,
since slow episodes have hardly begun, quick ones make up for.

Event time has two forms:

    natural   the plan's rate is None. A mean user makes one transaction a day, more at noon than at
              night: 20,000 users make 20,000 a day. Timestamps are the planned moments.
    even      so many transactions a second, at equal distances, by however many users there are:
              the i-th is stamped start + i / rate. For traffic that is sent as it happens.

Not here: pacing by a real clock, JSON, Kafka.
"""

from __future__ import annotations

import numpy as np

from datasets.traffic import calibration, habits, merchants, population
from datasets.traffic.chance import Choice, Ints
from datasets.traffic.day import SECOND, Day
from datasets.traffic.habits import HONEST, ROW, TransactionRows, World
from datasets.traffic.plan import Plan
from datasets.traffic.scenarios import NAMES, SCENARIOS, Scene

# The first spans are short, so that fraud is there from the start and not after a day.
_FIRST_SPAN, _SPAN = 512, 16_384  # transactions
_WAITING = 500_000  # purchases that may wait; beyond, the most distant are given up
_ROUNDS = 3  # attempts to fill a span with fraud; what is then missing, the next span makes up for
_QUICK_S = 60.0  # an episode that lasts less than this, or than the span, is quick


class Traffic:
    """The transactions of one plan, in order. ``taken`` is how many were handed out so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.taken = 0
        self._spans = _Spans(plan)
        self._ready = np.empty(0, ROW)

    @property
    def world(self) -> World:
        return self._spans.world

    def take(self, n: int) -> TransactionRows:
        """The next ``n`` transactions, shape (n,), dtype ROW, in the order of their time."""
        parts, missing = [self._ready[:n]], n - len(self._ready)
        while missing > 0:
            self._ready = self._spans.next()
            parts.append(self._ready[:missing])
            missing -= len(self._ready)
        self._ready = self._ready[len(self._ready) + missing :] if missing < 0 else self._ready[:0]
        rows = np.concatenate(parts)
        if self.plan.rate is not None:
            index = np.arange(self.taken, self.taken + n)
            rows["time"] = self.plan.start + (index * (SECOND / self.plan.rate)).astype(np.int64)
        self.taken += n
        return rows


class _Spans:
    """Lays out one span after the other. Pairs of numbers are of honest transactions and of frauds."""

    def __init__(self, plan: Plan) -> None:
        rng = _generator(plan.seed, 0)
        self.world = World(population.draw(rng, plan.users), merchants.draw(rng), *habits.product_rows())
        self._plan = plan
        self._number, self._begin, self._end = 0, plan.start, plan.start
        self._lacking = np.zeros(2)  # what spans up to this one should have held and did not
        self._rows: list[TransactionRows] = []  # laid out, not yet emitted
        self._busy_until = np.zeros(plan.users, np.int64)
        self._episodes = 0
        # Transactions within the span by bout and by episode: the next span's guess is the last one's.
        self._of_bout, self._of_episode = 1.3, 10.0
        self._kinds = [i for i, name in enumerate(NAMES) if name in plan.scenarios]
        chosen = [SCENARIOS[NAMES[kind]] for kind in self._kinds]
        shares = np.array([scenario.share for scenario in chosen])
        self._begin_rate = shares / shares.sum() / [scenario.size for scenario in chosen]  # a fraud, by kind
        self._lasts_s = np.array([scenario.lasts_s for scenario in chosen])
        self._owed = np.zeros(len(chosen))  # parts of episodes that have not begun yet
        hours, thieves = calibration.hours() if plan.rate is None else (np.ones(24), np.ones(24))
        self._day, self._thieves_day = Day(hours), Day(thieves)

    def next(self) -> TransactionRows:
        """All transactions of the next span, in the order of their time; rarely none."""
        self._number += 1
        rng = _generator(self._plan.seed, self._number)
        self._begin, self._end = self._end, self._end + self._length()
        hours = float(self._day.passed(self._end) - self._day.passed(self._begin))
        rate = self._plan.fraud_rate
        self._lacking += hours * 3600 * self._plan.mean_rate * np.array([1 - rate, rate])
        frauds = self._lacking[1]
        if self._rows:
            self._lacking -= np.bincount(self._inside(self._rows[0])["scenario"] != HONEST, minlength=2)
        honest = self._shop(rng)
        self._steal(
            Scene(self.world, rng, (self._begin, self._end), self._thieves_day, honest, self._busy_until),
            frauds,
        )
        return self._emit()

    def _length(self) -> int:
        """The span's length in event time, whatever the hour."""
        size = min(_FIRST_SPAN << (self._number - 1), _SPAN)
        return max(int(size / self._plan.mean_rate * SECOND), 1)

    def _inside(self, rows: TransactionRows) -> TransactionRows:
        return rows[np.flatnonzero(rows["time"] < self._end)]

    def _shop(self, rng: np.random.Generator) -> TransactionRows:
        """Let as many bouts begin as the span lacks honest transactions; returns those inside it."""
        n = max(int(self._lacking[0] / self._of_bout), 0)
        start = self._day.moments(rng, self._begin, self._end, n)
        user = self.world.users.shopping(rng, start)
        if self._number == 1 and n:
            user[0], start[0] = 0, self._begin  # whatever the seed, user_000001 opens the stream
        rows = habits.bouts(self.world, rng, user, start)
        self._rows.append(rows)
        inside = self._inside(rows)
        self._lacking[0] -= len(inside)
        if n:
            self._of_bout = max(len(inside) / n, 0.5)
        return inside

    def _steal(self, scene: Scene, frauds: float) -> None:
        """Let episodes begin; ``frauds`` are to lie in the span, counting those begun before."""
        self._owed += max(frauds, 0.0) * self._begin_rate
        whole = self._owed.astype(np.int64)
        self._owed -= whole
        self._begin_episodes(scene, whole)
        length_s = max((self._end - self._begin) / SECOND, _QUICK_S)
        quick = Choice(self._begin_rate / (1 + self._lasts_s / length_s))
        for _ in range(_ROUNDS):
            n = int(self._lacking[1] / self._of_episode)
            if n <= 0:
                return
            kinds = quick.choose(scene.rng.random(n))
            inside = self._begin_episodes(scene, np.bincount(kinds, minlength=len(self._kinds)))
            self._of_episode = max(inside / n, 0.5)

    def _begin_episodes(self, scene: Scene, many: Ints) -> int:
        """So many new episodes of each kind; returns how many of their purchases lie in the span."""
        before = self._lacking[1]
        for kind, n in zip(self._kinds, many.tolist(), strict=True):
            if n:
                rows = SCENARIOS[NAMES[kind]].lay_out(scene, n)
                rows["scenario"] = kind
                rows["episode"] += self._episodes
                self._episodes += n
                np.maximum.at(self._busy_until, rows["user"], rows["time"])
                self._rows.append(rows)
                self._lacking[1] -= np.count_nonzero(rows["time"] < self._end)
        return int(before - self._lacking[1])

    def _emit(self) -> TransactionRows:
        rows = np.concatenate(self._rows)
        due = np.flatnonzero(rows["time"] < self._end)
        later = rows[np.flatnonzero(rows["time"] >= self._end)]
        if len(later) > _WAITING:
            later = later[np.argsort(later["time"], kind="stable")[:_WAITING]]
        self._rows = [later]
        return rows[due[np.argsort(rows["time"][due], kind="stable")]]


def _generator(seed: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))
