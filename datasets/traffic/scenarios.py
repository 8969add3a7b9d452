"""Seven ways to steal with a card, each as episodes with a beginning, an end and money at stake.

Purpose: the rows of whole episodes, later purchases included, however long they take.

Design: a scenario is a function that lays out n episodes: whom they strike, when each purchase
comes, how much it is for, on which device and in which country. Thieves know what gives them away:
many use the victim's own device, stay in the victim's country, and take no more than usual.

    card_testing       small amounts in quick succession at one shop: which stolen cards work?
    account_takeover   a new device signs in, tries something small, then buys for hours
    rapid_fire         a stolen session buys as often as it can for a minute or two
    impossible_travel  a cloned card appears a continent away from where its owner just bought
    bust_out           a customer runs the card up, more and more over days, and vanishes
    low_and_slow       a purchase a day for weeks, none of them remarkable
    merchant_breach    many customers of one shop are robbed in the days after its cards leaked

Not here: how many episodes begin (`stream`), ground truth's way to Kafka.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from datasets.traffic import places
from datasets.traffic.chance import Floats, Hashes, Ints
from datasets.traffic.day import HOUR, SECOND, Day
from datasets.traffic.habits import TransactionRows, World, purchases, walk
from datasets.traffic.population import MOBILE, between, device_type, new_devices

_CANDIDATES = 4  # victims are chosen among so many, so that few have two thieves at a time


@dataclass(frozen=True)
class Scene:
    """What a scenario can see: the world, honest purchases of the present span, and chance."""

    world: World
    rng: np.random.Generator
    span: tuple[int, int]  # begin and end, event time
    day: Day  # the thieves' hours
    honest: TransactionRows  # of the present span
    busy_until: Ints  # by user: when the last episode that struck them ends

    def victims(self, start: Ints) -> Ints:
        """A victim for each episode; whoever already has a thief is avoided."""
        few = self.world.users.victims.choose(self.rng.random(len(start) * _CANDIDATES))
        few = few.reshape(len(start), _CANDIDATES)
        idle = np.argmax(self.busy_until[few] < start[:, None], axis=1)
        return np.asarray(few[np.arange(len(start)), idle])

    def thefts(self, episode: Ints, user: Ints, time: Ints, shift: Floats | float) -> TransactionRows:
        """Purchases of what thieves like, at home and on no device yet."""
        world = self.world
        rows = purchases(world, self.rng, user, time, world.fraud_products, shift)
        rows["merchant"] = world.merchants.loot.choose(
            self.rng.random(len(rows)), rows["product"].astype(np.int64)
        )
        rows["country"], rows["episode"] = world.users.home[user], episode
        return rows

    def devices(self, user: Ints, time: Ints, own: float) -> Hashes:
        """The victim's usual device with probability ``own``, else one that nobody has seen."""
        device = self.world.users.device(user, np.zeros(len(user), np.int64), time)
        new = np.flatnonzero(self.rng.random(len(user)) >= own)
        device[new] = self.new_devices(len(new))
        return device

    def new_devices(self, n: int) -> Hashes:
        """Thieves like mobile devices: of two, the first that is one."""
        one, other = new_devices(self.rng, n), new_devices(self.rng, n)
        return np.where(device_type(one) == MOBILE, one, other)

    def abroad(self, user: Ints, chance: float) -> Ints:
        """The country of each episode: home, or with some chance another one."""
        country = self.world.users.home[user].copy()
        away = np.flatnonzero(self.rng.random(len(user)) < chance)
        country[away] = places.VISITS.choose(self.rng.random(len(away)))
        return country


class Course(NamedTuple):
    """When the purchases of n episodes come: ``episode``, ``time`` and ``step`` are by purchase."""

    user: Ints  # by episode, as start
    start: Ints
    size: Ints
    episode: Ints
    time: Ints
    step: Ints


def _course(
    scene: Scene,
    user: Ints,
    start: Ints,
    sizes: tuple[int, int],
    gap_s: float,
    sigma: float,
    longest_s: float,
) -> Course:
    size = scene.rng.integers(*sizes, len(start), endpoint=True)
    episode, time = walk(scene.rng, start, size, gap_s, sigma, longest_s)
    step = np.arange(len(episode)) - (np.cumsum(size) - size)[episode]
    return Course(user, start, size, episode, time, step)


def _usual_course(
    scene: Scene, n: int, sizes: tuple[int, int], gap_s: float, sigma: float, longest_s: float
) -> Course:
    start = scene.day.moments(scene.rng, *scene.span, n)
    return _course(scene, scene.victims(start), start, sizes, gap_s, sigma, longest_s)


def _bent(scene: Scene, c: Course) -> Course:
    """For courses of days: thieves sleep too."""
    return c._replace(time=scene.day.bent(c.start[c.episode], c.time))


def _rows(
    scene: Scene, c: Course, shift: Floats | float, own_device: float, abroad: float
) -> TransactionRows:
    rows = scene.thefts(c.episode, c.user[c.episode], c.time, shift)
    _on_device(rows, scene.devices(c.user, c.start, own_device)[c.episode])
    rows["country"] = scene.abroad(c.user, abroad)[c.episode]
    return rows


def _on_device(rows: TransactionRows, device: Hashes) -> None:
    rows["device"], rows["device_type"] = device, device_type(device)


def _in_one_shop(rows: TransactionRows, c: Course) -> None:
    first = np.flatnonzero(c.step == 0)[c.episode]
    rows["merchant"] = rows["merchant"][first]
    rows["product"] = rows["product"][first]


def card_testing(scene: Scene, n: int) -> TransactionRows:
    c = _usual_course(scene, n, (6, 18), 25.0, 0.8, 300.0)
    # One in three goes on to buy something with the card that works.
    spoils = (c.step == c.size[c.episode] - 1) & (scene.rng.random(n) < 0.35)[c.episode]
    rows = _rows(scene, c, 1.0, own_device=0.25, abroad=0.25)
    small = np.exp(np.log(6000.0) + 0.7 * scene.rng.standard_normal(len(rows))).clip(500, 25_000)
    rows["amount"] = np.where(spoils, rows["amount"], np.rint(small / 10) * 10)
    _in_one_shop(rows, c)
    return rows


def account_takeover(scene: Scene, n: int) -> TransactionRows:
    c = _usual_course(scene, n, (3, 9), 1500.0, 1.3, 12 * 3600.0)
    shift = np.where(c.step == 0, -0.6, 0.6)
    return _rows(scene, c, shift, own_device=0.15, abroad=0.25)


def rapid_fire(scene: Scene, n: int) -> TransactionRows:
    c = _usual_course(scene, n, (8, 18), 8.0, 0.6, 60.0)
    rows = _rows(scene, c, 0.25, own_device=0.5, abroad=0.1)
    _in_one_shop(rows, c)
    return rows


def impossible_travel(scene: Scene, n: int) -> TransactionRows:
    """Strikes users of the present span who have just bought something, a continent away."""
    if not len(scene.honest):
        return scene.honest
    lean = np.cumsum(scene.world.users.lean[scene.honest["user"]])
    owner = scene.honest[np.searchsorted(lean, scene.rng.random(n) * lean[-1], side="right")]
    start = owner["time"] + (between((480.0, 3600.0), scene.rng.random(n)) * SECOND).astype(np.int64)
    c = _course(scene, owner["user"].astype(np.int64), start, (2, 6), 1500.0, 1.0, 4 * 3600.0)
    rows = _rows(scene, c, 0.5, own_device=0.4, abroad=0.0)
    rows["country"] = places.far().choose(scene.rng.random(n), owner["country"].astype(np.int64))[c.episode]
    return rows


def bust_out(scene: Scene, n: int) -> TransactionRows:
    c = _bent(scene, _usual_course(scene, n, (10, 22), 3.5 * 3600, 1.0, 30 * 3600.0))
    return _rows(scene, c, 0.2 + 0.9 * c.step / c.size[c.episode], own_device=1.0, abroad=0.0)


def low_and_slow(scene: Scene, n: int) -> TransactionRows:
    c = _bent(scene, _usual_course(scene, n, (8, 20), 18 * 3600.0, 0.8, 5 * 24 * 3600.0))
    return _rows(scene, c, -0.1, own_device=0.6, abroad=0.05)


def merchant_breach(scene: Scene, n: int) -> TransactionRows:
    """Strikes the customers whom one shop had in the present span, fifteen to fifty of them."""
    if not len(scene.honest):
        return scene.honest
    shops, customers = np.unique(scene.honest["merchant"], return_counts=True)
    busiest = shops[np.argsort(-customers, kind="stable")][:40]
    parts = [_breach(scene, int(shop), index) for index, shop in enumerate(scene.rng.choice(busiest, n))]
    return np.concatenate(parts)


def _breach(scene: Scene, shop: int, episode: int) -> TransactionRows:
    rng = scene.rng
    sales = scene.honest[scene.honest["merchant"] == shop]
    cards, first = np.unique(sales["user"], return_index=True)
    # Weighted choice without repetition: the smallest of exponential waiting times.
    waits = rng.exponential(size=len(cards)) / scene.world.users.lean[cards]
    struck = np.argsort(waits)[: rng.integers(15, 50, endpoint=True)]
    user = cards[struck].astype(np.int64)
    delay_s = np.minimum(8 * 3600.0 * np.exp(rng.standard_normal(len(user))), 4 * 24 * 3600.0)
    leaked = sales["time"][first[struck]] + HOUR
    start = scene.day.bent(leaked, leaked + (delay_s * SECOND).astype(np.int64))
    c = _course(scene, user, start, (1, 4), 2400.0, 1.0, 6 * 3600.0)
    rows = _rows(scene, c, 0.35, own_device=0.35, abroad=0.0)
    gang = scene.new_devices(3)  # whoever bought the leaked cards shares their devices
    theirs = np.flatnonzero(~np.isin(rows["device"], scene.devices(user, start, 1.0)))
    _on_device_at(rows, theirs, gang[user[c.episode][theirs] % len(gang)])
    rows["country"] = np.where(rng.random() < 0.3, places.VISITS.choose(rng.random(1))[0], rows["country"])
    rows["episode"] = episode
    return rows


def _on_device_at(rows: TransactionRows, where: Ints, device: Hashes) -> None:
    rows["device"][where], rows["device_type"][where] = device, device_type(device)


class Scenario(NamedTuple):
    """``share`` of all fraudulent transactions; ``size``: purchases of a mean episode; ``lasts_s``:
    seconds from the first to the last of them, roughly."""

    lay_out: Callable[[Scene, int], TransactionRows]
    share: float
    size: float
    lasts_s: float


SCENARIOS: dict[str, Scenario] = {
    "card_testing": Scenario(card_testing, 0.05, 12, 400),
    "account_takeover": Scenario(account_takeover, 0.21, 6, 4 * 3600),
    "rapid_fire": Scenario(rapid_fire, 0.09, 13, 120),
    "impossible_travel": Scenario(impossible_travel, 0.10, 4, 2 * 3600),
    "bust_out": Scenario(bust_out, 0.15, 16, 80 * 3600),
    "low_and_slow": Scenario(low_and_slow, 0.22, 14, 350 * 3600),
    "merchant_breach": Scenario(merchant_breach, 0.18, 70, 60 * 3600),
}
NAMES = tuple(SCENARIOS)
