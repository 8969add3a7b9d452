from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from profiles import connection
from profiles.connection import Client
from profiles.keys import Keys


@pytest.fixture(params=["redis", "cluster"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """One server, and a cluster."""
    if request.param == "cluster":
        yield request.getfixturevalue("redis_cluster")
        return
    single = connection.connect_to(request.getfixturevalue("settings").redis)
    yield single
    single.close()


@pytest.fixture
def keys(request: pytest.FixtureRequest) -> Keys:
    """Nobody else's; on the single server they are removed with the test's prefix."""
    if "settings" in request.fixturenames:
        return Keys(request.getfixturevalue("settings").redis_prefix, "transactions")
    return Keys(f"test-{uuid.uuid4().hex[:12]}", "transactions")
