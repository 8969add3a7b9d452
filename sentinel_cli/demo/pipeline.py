"""One demo from the first worker to the last record, as steps that somebody else paces.

Purpose: workers start, then traffic; when that ends, everything that was produced is scored, every
alert answered, and all of it read back. Nothing is taken from the workers' word alone: what counts
is what stands on the topics.

Not here: servers (``demo.servers``), what is shown meanwhile (``demo.view``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from datasets.traffic.plan import TRANSACTIONS_PER_DAY
from sentinel_cli.demo.child import Child
from sentinel_cli.errors import SentinelError
from sentinel_cli.watching.observer import Observer
from sentinel_cli.watching.outcome import Result
from sentinel_cli.watching.reading import Reader

if TYPE_CHECKING:
    from sentinel_cli.config import Settings
    from sentinel_cli.watching.picture import Picture

# Seconds without progress after which a demo gives up. Compiling the kernel takes some tens.
PATIENCE_S = 120.0

# Without an end in sight, users' time is to last so long before it reaches the present.
LONGEST_S = 3600.0
# Detectors refuse what is older.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Traffic:
    """What is asked of `sentinel produce`. ``seconds`` None: until somebody ends it.

    Users live at their own pace, a day within a fraction of a second: that is what gives them habits
    soon. Their time ends about now, or with a seed begins where the same seed always begins.
    """

    seconds: float | None
    tps: float
    users: int
    seed: int | None

    def arguments(self, now: datetime) -> list[str]:
        given = ["--tps", str(self.tps), "--users", str(self.users)]
        given += (
            ["--start", self._start(now).isoformat()] if self.seed is None else ["--seed", str(self.seed)]
        )
        return given if self.seconds is None else [*given, "--duration", str(self.seconds)]

    def _start(self, now: datetime) -> datetime:
        transactions = self.tps * (self.seconds or LONGEST_S)
        days = transactions / (self.users * TRANSACTIONS_PER_DAY)
        # A day more, and some: days are uneven, and what lies in the future cannot be sent.
        return max(now - timedelta(days=min(1 + 1.05 * days, 36_500)), EARLIEST)


@dataclass(frozen=True)
class Closing:
    """What each worker closed with, and what came of it."""

    producer: dict[str, Any]
    detector: dict[str, Any]
    responder: dict[str, Any]
    result: Result


class Pipeline:
    """Use as a context: no child outlives the block."""

    def __init__(self, settings: Settings, flags: Mapping[str, object], traffic: Traffic) -> None:
        self.traffic = traffic
        self.observer, self.reader = Observer(settings), Reader(settings)
        self.closing: Closing | None = None
        self.began: float | None = None  # traffic, monotonic seconds
        self._settings = settings
        self._flags = {
            **flags,
            "prefix": settings.prefix,
            "kafka.servers": settings.kafka.servers,
            "redis.host": settings.redis.host,
            "redis.port": settings.redis.port,
        }
        self._stopping = False
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self.observer)
            opening.enter_context(self.reader)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def stop(self) -> None:
        """Let the traffic end; the steps go on to the last record."""
        self._stopping = True

    def steps(self) -> Iterator[str]:
        """Advance by one look at a time; yields what is going on. Raises SentinelError."""
        detector, responder = self._start("detect"), self._start("respond")
        yield from self._until(lambda: self._ready(detector, responder), "Starting the workers")
        if self._stopping:
            raise KeyboardInterrupt  # there is nothing to sum up
        producer = self._start("produce", *self.traffic.arguments(datetime.now(UTC)))
        while not producer.ended:
            if self._stopping and self.began is not None:
                producer.stop()
            detector.must_run()
            responder.must_run()
            yield self._traffic_status()
        produced = producer.document()
        yield from self._until(lambda: self._scored(detector, produced["produced"]), "Scoring the last ones")
        detected = yield from self._ended(detector, "Stopping the detector")
        yield from self._until(
            lambda: self._answered(responder, detected["alerts"]), "Answering the last alerts"
        )
        responded = yield from self._ended(responder, "Stopping the responder")
        yield "Comparing alerts with the truth"
        self.closing = Closing(produced, detected, responded, self.reader.finish())

    def _traffic_status(self) -> str:
        if self.began is None and self.observer.picture().transactions:
            self.began = time.monotonic()
        if self.began is None:
            return "Starting the traffic"
        return "Stopping the traffic" if self._stopping else "Transactions flow"

    def _start(self, name: str, *arguments: str) -> Child:
        log = self._settings.home / "logs" / f"demo-{name}.log"
        child = Child(name, self._flags, list(arguments), log)
        self._open.callback(child.close)
        return child

    def _ready(self, detector: Child, responder: Child) -> bool:
        detector.must_run()
        responder.must_run()
        assigned = {worker.role for worker in self.observer.picture().workers if worker.partitions}
        return self._stopping or assigned == {"detect", "respond"}

    def _scored(self, detector: Child, produced: int) -> bool:
        detector.must_run()
        seen = self.observer.picture()
        return (seen.transactions or 0) >= produced and seen.lag == 0

    def _answered(self, responder: Child, alerts: int) -> bool:
        responder.must_run()
        seen = self.observer.picture()
        return (seen.alert_records or 0) >= alerts and seen.alerts_lag == 0

    def _ended(self, child: Child, status: str) -> Generator[str, None, dict[str, Any]]:
        child.stop()
        yield from self._until(lambda: child.ended, status)
        return child.document()

    def _until(self, reached: Callable[[], bool], status: str) -> Iterator[str]:
        """Yield until ``reached``; gives up when the offsets have stood still for too long."""
        moved, last = time.monotonic(), self._offsets(self.observer.picture())
        while not reached():
            now = self._offsets(self.observer.picture())
            if now != last:
                moved, last = time.monotonic(), now
            if time.monotonic() - moved > PATIENCE_S:
                logs = self._settings.home / "logs"
                raise SentinelError(
                    f"{status}: nothing moved for {PATIENCE_S:.0f} s; the logs are in {logs}."
                )
            yield status

    @staticmethod
    def _offsets(seen: Picture) -> tuple[object, ...]:
        return seen.transactions, seen.lag, seen.alert_records, seen.alerts_lag
