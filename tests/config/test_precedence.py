"""Which layer wins, for every combination of layers, and what is said of where a value came from."""

from __future__ import annotations

import itertools
import json
import os
import pickle
from pathlib import Path

import platformdirs
import pytest

from sentinel_cli import config
from sentinel_cli.config import KafkaSettings, Settings
from sentinel_cli.sources import ENVIRONMENT_NAMES, environment_names, leaves

# Lowest first, as the documentation has it; each with the origin that is shown.
LAYERS = {
    "stack": "the running local stack",
    "file": "sentinel.toml, line 2",
    "profile": "profile p in sentinel.toml, line 4",
    "environment": "environment KAFKA_SERVERS",
    "flag": "flag --kafka-servers",
}


def given(layers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Let each of ``layers`` set kafka.servers to its own name; returns the flags."""
    lines = ["[kafka]", 'servers = "file:1"' if "file" in layers else "", "[profiles.p.kafka]"]
    lines.append('servers = "profile:1"' if "profile" in layers else "")
    Path("sentinel.toml").write_text("\n".join(lines))
    monkeypatch.setenv("SENTINEL_PROFILE", "p")
    if "stack" in layers:
        Path(os.environ["SENTINEL_HOME"], "stack.json").write_text('{"kafka_servers": "stack:1"}')
    if "environment" in layers:
        monkeypatch.setenv("KAFKA_SERVERS", "environment:1")
    return {"kafka.servers": "flag:1"} if "flag" in layers else {}


@pytest.mark.parametrize(
    "layers", [chosen for n in range(6) for chosen in itertools.combinations(LAYERS, n)], ids="+".join
)
def test_the_highest_layer_wins_and_is_named(
    layers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = given(layers, monkeypatch)
    shown = {name: (value, origin) for name, value, origin in config.explain(flags)}

    if layers:
        assert shown["kafka.servers"] == (f"{layers[-1]}:1", LAYERS[layers[-1]])
    else:
        assert shown["kafka.servers"] == ("localhost:9092", "default")
    assert config.load(flags).kafka.servers == shown["kafka.servers"][0]


def test_layers_add_up_within_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sentinel.toml").write_text(
        '[redis]\nhost = "file"\ndb = 2\nsocket_timeout = 1\n[profiles.p.redis]\ndb = 3\n'
    )
    monkeypatch.setenv("REDIS_PORT", "7000")
    redis = config.load({"profile": "p"}).redis
    assert (redis.host, redis.port, redis.db, redis.options) == ("file", 7000, 3, {"socket_timeout": 1})


def test_the_eleven_names_that_users_already_have() -> None:
    assert set(ENVIRONMENT_NAMES) == {
        "STREAM_SENTINEL_ENV", "KAFKA_SERVERS", "SCHEMA_REGISTRY_URL", "REDIS_HOST", "REDIS_PORT",
        "FRAUD_THRESHOLD", "CONSUMER_GROUP", "BATCH_SIZE", "MAX_POLL_RECORDS", "LOG_LEVEL", "KAFKA_DEBUG",
    }  # fmt: skip


SAMPLES = {
    "kafka.source": "plain", "delivery": "transactional", "fraud_threshold": "0.5", "costs.declined": "0.5",
    "env": "staging", "log_level": "ERROR", "kafka.properties": '{"a.b": "1"}', "redis.options": '{"a": 1}',
    "redis.ssl": "true", "redis.cluster": "true", "kafka.schema_registry_url": "http://registry:8081",
}  # fmt: skip


@pytest.mark.parametrize(("variable", "key"), environment_names(Settings).items())
def test_every_setting_has_a_variable(
    variable: str, key: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    if key in {("config",), ("profile",)}:
        Path("7").write_text("[profiles.7]\n")
        monkeypatch.setenv("SENTINEL_CONFIG", "7")
    monkeypatch.setenv(variable, SAMPLES.get(".".join(key), "7"))
    origins = {each.origin for each in config.explain()}
    assert f"environment {variable}" in origins


def test_our_own_name_wins_over_the_common_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HOST", "common")
    monkeypatch.setenv("SENTINEL_REDIS_HOST", "ours")
    assert config.load().redis.host == "ours"


def test_an_empty_variable_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SERVERS", "")
    assert config.load().kafka.servers == "localhost:9092"


def test_which_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    users = platformdirs.user_config_path("stream-sentinel")
    users.mkdir(parents=True)
    for path, prefix in ((users / "sentinel.toml", "users"), (Path("sentinel.toml"), "here"),
                         (Path("a.toml"), "variable"), (Path("b.toml"), "flag")):  # fmt: skip
        path.write_text(f'prefix = "{prefix}"')
    assert config.load({"config": "b.toml"}).prefix == "flag"
    assert config.load().prefix == "here"
    monkeypatch.setenv("SENTINEL_CONFIG", "a.toml")
    assert config.load().prefix == "variable"
    assert config.load({"config": "b.toml"}).prefix == "flag"
    monkeypatch.delenv("SENTINEL_CONFIG")
    Path("sentinel.toml").unlink()
    assert config.load().prefix == "users"


def test_all_addresses_of_the_local_stack(folder: Path) -> None:
    stack = {"kafka_servers": "127.0.0.1:5", "redis_host": "127.0.0.1", "redis_port": 6, "pids": [1]}
    (folder / "home" / "stack.json").write_text(json.dumps(stack))
    settings = config.load()
    assert (settings.kafka.servers, settings.redis.host, settings.redis.port) == (
        "127.0.0.1:5",
        "127.0.0.1",
        6,
    )


def test_a_program_gives_its_own() -> None:
    settings = Settings(prefix="staging", kafka=KafkaSettings(servers="here:1"))
    assert settings.kafka.servers == "here:1"
    assert settings.topic("transactions") == "staging.transactions"
    assert settings.redis_prefix == "staging"
    assert (Settings().topic("transactions"), Settings().redis_prefix) == ("transactions", "sentinel")


def test_workers_get_the_same_settings() -> None:
    settings = config.load({"redis.password": "x", "kafka.servers": "a:1"})
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - what multiprocessing does


def test_every_setting_says_what_it_may_be() -> None:
    for key, _ in leaves(Settings):
        assert config.allowed(key) not in {"", "a table"} or key[-1] == "options", key
