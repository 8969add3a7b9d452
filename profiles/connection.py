"""Connections to Redis or Valkey, alone or as a cluster.

Purpose: one place that chooses the client's options, and that turns "it does not answer" into one
sentence. Answers come back as bytes: profiles are binary rows.

Not here: keys and what is stored under them (the other modules of this package), settings (the
caller passes plain values; anything shaped like ``RedisSection`` can be given to ``connect_to``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from redis import Redis, RedisCluster, exceptions
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

from profiles.wire import Piece
from sentinel_cli.errors import ConfigError, RedisUnreachable

Client: TypeAlias = "Redis | RedisCluster"

# What a client raises. Those of a cluster have a tree of their own beside RedisError.
ERRORS = (RedisError, RedisClusterException)

# What a cluster's node says, or fails to say, of a key that is on another one now.
ELSEWHERE = (
    exceptions.AskError,
    exceptions.ClusterDownError,
    exceptions.ConnectionError,
    exceptions.TimeoutError,
)

# Seconds. A save is one short command; a server that needs longer than this is as good as away,
# and the worker then pauses and tries again.
ANSWER_WITHIN = 5.0


class Secret(Protocol):
    def get_secret_value(self) -> str: ...


class RedisSection(Protocol):
    """The `[redis]` table of the settings."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password(self) -> Secret | None: ...
    @property
    def db(self) -> int: ...
    @property
    def ssl(self) -> bool: ...
    @property
    def cluster(self) -> bool: ...
    @property
    def options(self) -> dict[str, Any]: ...


def connect_to(section: RedisSection) -> Client:
    """`connect` with the values of the settings' `[redis]` table."""
    return connect(
        section.host,
        section.port,
        username=section.username,
        password=section.password.get_secret_value() if section.password else None,
        db=section.db,
        ssl=section.ssl,
        cluster=section.cluster,
        options=section.options,
    )


def connect(
    host: str = "localhost",
    port: int = 6379,
    *,
    username: str | None = None,
    password: str | None = None,
    db: int = 0,
    ssl: bool = False,
    cluster: bool = False,
    options: dict[str, Any] | None = None,
) -> Client:
    """A client of one server (connects at its first command) or of a cluster (connects now).

    ``options`` are redis-py's own and win over ours. Raises ConfigError for an option redis-py does
    not know, RedisUnreachable when a cluster's first node does not answer.
    """
    chosen: dict[str, Any] = {
        "username": username,
        "password": password,
        "ssl": ssl,
        "socket_timeout": ANSWER_WITHIN,
        "socket_connect_timeout": ANSWER_WITHIN,
        "socket_keepalive": True,
        "client_name": "sentinel",
        # No hidden retries: a command that was cut off may have been carried out, and only the caller
        # knows whether saying it twice is right. A cluster's client would even say EXEC again on a new
        # connection, where nothing is watched any more.
        "retry": Retry(NoBackoff(), 0),
        **(options or {}),
        "decode_responses": False,
    }
    try:
        if cluster:
            return RedisCluster(host=host, port=port, **chosen)
        return Redis(host=host, port=port, db=db, **chosen)
    except ERRORS as error:
        raise unreachable(host, port, error) from error
    except TypeError as error:
        raise ConfigError(f"The [redis] table has an option that redis-py does not know: {error}.") from error


def reachable(client: Client) -> None:
    """Ping; raises RedisUnreachable, naming the address and why, and ConfigError where a cluster is
    taken for a single server."""
    try:
        client.ping()
        alone = isinstance(client, RedisCluster) or not _in_cluster(client)
    except ERRORS as error:
        raise unreachable(*address(client), error) from error
    except TypeError as error:  # redis-py checks options when it first connects
        raise ConfigError(f"The [redis] table has an option that redis-py does not know: {error}.") from error
    if not alone:
        host, port = address(client)
        raise ConfigError(f"Redis at {host}:{port} is a node of a cluster: set redis.cluster = true.")


def address(client: Client) -> tuple[str, int]:
    """Host and port the client was made for (a cluster: its first known node)."""
    if isinstance(client, RedisCluster):
        node = client.get_nodes()[0]  # type: ignore[no-untyped-call]
        return str(node.host), int(node.port)
    place = client.connection_pool.connection_kwargs
    return str(place["host"]), int(place["port"])


class Line:
    """One connection: what is watched on it is watched until its next EXEC."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def ask(self, *commands: list[Piece]) -> list[Any]:
        """The answers to ``commands`` (``profiles.wire``), which are sent together. Raises the first that
        is an error, once all have come; ConnectionError or TimeoutError when one did not."""
        self._connection.send_packed_command([piece for command in commands for piece in command])
        answers: list[Any] = []
        failed: list[ResponseError] = []
        for _ in commands:
            try:
                answers.append(self._connection.read_response())
            except ResponseError as error:
                failed.append(error)
        if failed:
            raise failed[0]
        return answers


@contextmanager
def line(client: Client, key: str) -> Iterator[Line]:
    """A connection of one's own to the server that holds ``key``.

    An error ends it, as who knows what was still to come on it, and is watched. A cluster's client is then
    told to look where the keys are now, as it does for its own commands.
    """
    try:
        with _borrowed(_server_of(client, key).connection_pool) as connection:
            yield Line(connection)
    except ELSEWHERE:
        if isinstance(client, RedisCluster):
            client.nodes_manager.initialize()
        raise


@contextmanager
def _borrowed(pool: Any) -> Iterator[Any]:
    connection = pool.get_connection()
    try:
        yield connection
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _server_of(client: Any, key: str) -> Any:
    if not isinstance(client, RedisCluster):
        return client
    return client.get_redis_connection(client.get_node_from_key(key))  # type: ignore[no-untyped-call]


def nodes(client: Client) -> list[Redis]:
    """Each server that holds profiles, for what has to be asked of every one."""
    if not isinstance(client, RedisCluster):
        return [client]
    primaries: list[Any] = client.get_primaries()  # type: ignore[no-untyped-call]
    return [node.redis_connection for node in primaries]


def _in_cluster(client: Redis) -> bool:
    """Whether this server says that it holds some of a cluster's slots only."""
    try:
        facts: Any = client.info("cluster")
    except ResponseError:  # some managed servers refuse INFO
        return False
    return bool(facts.get("cluster_enabled"))


def unreachable(host: str, port: int, error: Exception) -> RedisUnreachable:
    """The error that tells a user what to do about ``error``, which is one of ERRORS."""
    where = f"{host}:{port}"
    if isinstance(error, RedisClusterException) and isinstance(error.__cause__, Exception):
        return unreachable(host, port, error.__cause__)
    if isinstance(error, RedisClusterException) and "mode is not enabled" in str(error):
        return RedisUnreachable(f"Redis at {where} is no node of a cluster: set redis.cluster = false.")
    if isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError)):
        return RedisUnreachable(
            f"Redis at {where} refused the login ({error}): check SENTINEL_REDIS_PASSWORD and redis.username."
        )
    if isinstance(error, BusyLoadingError):
        return RedisUnreachable(f"Redis at {where} is still loading its data: try again in a moment.")
    if isinstance(error, ResponseError):
        return RedisUnreachable(f"Redis at {where} answered with an error: {error}.")
    return RedisUnreachable(
        f"Redis does not answer at {where} ({error}): check REDIS_HOST and REDIS_PORT, "
        "or start the local stack with `sentinel up`."
    )
