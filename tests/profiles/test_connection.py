"""What is said when Redis is not there, or is something else than the settings say."""

from __future__ import annotations

import pytest
from redis.exceptions import AuthenticationError, RedisClusterException

from profiles import connection
from profiles.connection import Client
from sentinel_cli.config import Settings
from sentinel_cli.errors import ConfigError, RedisUnreachable


@pytest.mark.parametrize("cluster", [False, True])
def test_nobody_answers(cluster: bool) -> None:
    with pytest.raises(RedisUnreachable, match=r"does not answer at 127\.0\.0\.1:1 .*refused"):
        connection.reachable(connection.connect("127.0.0.1", 1, cluster=cluster))


def test_the_cause_is_told_and_not_that_some_node_failed() -> None:
    error = RedisClusterException("Redis Cluster cannot be connected.")
    error.__cause__ = AuthenticationError("wrong")
    assert "refused the login (wrong)" in str(connection.unreachable("h", 1, error))


@pytest.mark.real
def test_a_cluster_that_is_taken_for_one_server(redis_cluster: Client) -> None:
    connection.reachable(redis_cluster)
    host, port = connection.address(redis_cluster)
    with pytest.raises(ConfigError, match=r"is a node of a cluster: set redis\.cluster = true"):
        connection.reachable(connection.connect(host, port))


@pytest.mark.real
def test_one_server_that_is_taken_for_a_cluster(settings: Settings) -> None:
    with pytest.raises(RedisUnreachable, match=r"is no node of a cluster: set redis\.cluster = false"):
        connection.connect_to(settings.redis.model_copy(update={"cluster": True}))
