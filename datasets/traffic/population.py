"""The users: who they are, and what about them never changes.

Purpose: a population drawn once from a seed, as columns by user, and what can be asked of it at any
moment: who is up and shopping, where somebody is, which device is in whose hands.

Design: activity is skewed (few users make most transactions). Every user has one of 24 rhythms, the
population's day moved by so many hours; how often each rhythm shops at each hour is fitted so that
the users' activity and the file's hours both hold. Trips and new phones follow from the user and
the date alone, so they need no memory, and nobody is in two places at once.

Not here: single transactions (`habits`, `scenarios`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from datasets.traffic import calibration, places
from datasets.traffic.chance import Choice, Floats, Hashes, Ints, Rows, mix, share
from datasets.traffic.day import DAY, HOUR

# ln of activity: a tenth of the users makes six tenths of the transactions. The file's keys are more
# skewed still, but a key there may stand for many people.
ACTIVITY_SIGMA = 1.5
BUSIEST = 20.0  # no user is more than this many times as active as the mean
PERSONAL_SHIFT_H = 2.5  # standard deviation of a user's own hours from their country's

# One trip in so many days, so many days long. In the day before and the day after nothing is bought
# in person, so that no honest journey is faster than an aeroplane.
TRIP_EVERY_DAYS = (60.0, 240.0)
TRIP_DAYS = (3.0, 12.0)
TRANSIT_DAYS = 1.0
DEVICE_LIFE_DAYS = (300.0, 900.0)

MOBILE = 1  # position in calibration's device_type

_TRIP_LENGTH, _TRIP_TO, _DEVICE, _DEVICE_TYPE = range(4)  # what a hash is for


@dataclass(frozen=True)
class Users:
    """Columns by user; small numbers are positions in the tables of `places` and `calibration`."""

    salt: int
    home: Ints
    level: Floats  # normal score of spending
    network: Ints
    card_type: Ints
    email: Ints
    devices: Ints  # 1 to 3
    trip_every: Floats  # days
    trip_phase: Floats  # days
    device_life: Floats  # days
    device_phase: Floats  # days
    rhythm: Ints  # 0 to 23
    shoppers: Choice  # group: rhythm
    rhythms: Rows  # row: hour of the day, UTC
    lean: Floats  # how much likelier fraud is than with others of the same activity
    victims: Choice

    def __len__(self) -> int:
        return len(self.home)

    def shopping(self, rng: np.random.Generator, time: Ints) -> Ints:
        """Who starts to shop at each moment."""
        rhythm = self.rhythms.choose(rng.random(len(time)), time // HOUR % 24)
        return self.shoppers.choose(rng.random(len(time)), rhythm)

    def whereabouts(self, user: Ints, time: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """The place each user is at, and whether they are between two places."""
        days = time / DAY + self.trip_phase[user]
        number, since = np.divmod(days, self.trip_every[user])
        place, moving = self.home[user].copy(), np.zeros(len(user), np.bool_)
        may = np.flatnonzero(since < TRIP_DAYS[1] + 2 * TRANSIT_DAYS)
        trip = mix(self.salt, user[may], number[may].astype(np.int64))
        back = TRANSIT_DAYS + between(TRIP_DAYS, share(mix(trip, _TRIP_LENGTH)))
        passed = since[may]
        away = (passed >= TRANSIT_DAYS) & (passed < back)
        moving[may] = (passed < TRANSIT_DAYS) | ((passed >= back) & (passed < back + TRANSIT_DAYS))
        place[may[away]] = places.VISITS.choose(share(mix(trip[away], _TRIP_TO)))
        return place, moving

    def device(self, user: Ints, slot: Ints, time: Ints) -> Hashes:
        """The device in each user's ``slot`` (0 is the one they use most) at that time."""
        life = self.device_life[user]
        generation = (time / DAY + self.device_phase[user]) // life
        return mix(self.salt + _DEVICE, user * 4 + slot, generation.astype(np.int64))


def draw(rng: np.random.Generator, n: int) -> Users:
    """A population of ``n`` users, whose marginals are those of the file."""
    known = calibration.statistics()["measured"]
    abroad = rng.random(n) >= known["card3_150_share"]
    home = np.where(abroad, places.ABROAD.choose(rng.random(n)), places.UNITED_STATES)
    activity = np.exp(ACTIVITY_SIGMA * rng.standard_normal(n) - ACTIVITY_SIGMA**2 / 2).clip(max=BUSIEST)
    lean = np.where(abroad, known["fraud_card3_not150"], known["fraud_card3_150"])
    columns = {}
    for name in ("card_network", "card_type", "email_domain"):
        _, count, fraud = calibration.counts(name)
        columns[name] = Choice(count).choose(rng.random(n))
        lean *= (fraud / count)[columns[name]]
    own = np.rint(PERSONAL_SHIFT_H * rng.standard_normal(n)).astype(np.int64)
    rhythm = (own - places.AHEAD[home]) % 24
    trip_every, life = between(TRIP_EVERY_DAYS, rng.random(n)), between(DEVICE_LIFE_DAYS, rng.random(n))
    trip_every[0] = np.inf  # whoever opens the stream is at home then
    return Users(
        salt=int(rng.integers(0, 2**62)),
        home=home,
        level=rng.standard_normal(n),
        network=columns["card_network"],
        card_type=columns["card_type"],
        email=columns["email_domain"],
        devices=1 + Choice([50, 35, 15]).choose(rng.random(n)),
        trip_every=trip_every,
        trip_phase=rng.random(n) * TRIP_EVERY_DAYS[1],
        device_life=life,
        device_phase=rng.random(n) * life,
        rhythm=rhythm,
        shoppers=Choice(activity, rhythm),
        rhythms=Rows(_rhythms(np.asarray(np.bincount(rhythm, activity, 24), np.float64))),
        lean=lean,
        victims=Choice(activity * lean),
    )


def between(bounds: tuple[float, float], chance: Floats) -> Floats:
    """Evenly between two bounds."""
    return np.asarray(bounds[0] + (bounds[1] - bounds[0]) * chance)


def new_devices(rng: np.random.Generator, n: int) -> Hashes:
    """Devices that nobody has used before."""
    return rng.integers(0, 2**64, n, np.uint64)


def device_type(device: Hashes) -> Ints:
    """A device's type, a position in calibration's device_type, from its id."""
    return _device_types().choose(share(mix(device, _DEVICE_TYPE)))


@cache
def _device_types() -> Choice:
    _, count, _ = calibration.counts("device_type")
    return Choice(count)


def _rhythms(activity: Floats) -> Floats:
    """Shape (24 hours, 24 rhythms): how much each rhythm shops at each hour.

    Iterative proportional fitting: rows sum to the file's hours, columns to the rhythms' activity.
    """
    hours, _ = calibration.hours()
    clock = np.arange(24)
    table = hours[(clock[:, None] - clock) % 24] * activity
    for _ in range(50):
        table *= (activity / np.maximum(table.sum(axis=0), 1e-300)) / activity.sum()
        table *= (hours / hours.sum() / table.sum(axis=1))[:, None]
    return np.asarray(table)
