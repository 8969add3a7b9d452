"""What the settings file may hold: other libraries' settings, secrets in files, paths beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentinel_cli import config


def write(text: str) -> None:
    Path("sentinel.toml").write_text(text)


def test_every_other_key_goes_to_librdkafka_as_text() -> None:
    write("""
        [kafka]
        servers = "a:1"
        security.protocol = "SASL_SSL"
        "socket.keepalive.enable" = true
        "linger.ms" = 5
        properties = {"acks" = "all"}
    """)
    kafka = config.load().kafka
    assert kafka.servers == "a:1"
    assert kafka.properties == {
        "security.protocol": "SASL_SSL", "socket.keepalive.enable": "true", "linger.ms": "5", "acks": "all",
    }  # fmt: skip


def test_what_librdkafka_calls_otherwise_is_ours() -> None:
    write('[kafka]\n"bootstrap.servers" = "a:1"\n"group.id" = "g"\n')
    settings = config.load()
    assert (settings.kafka.servers, settings.consumer_group, settings.kafka.properties) == ("a:1", "g", {})


def test_every_other_key_goes_to_redis_py_as_it_is() -> None:
    write("[redis]\nsocket_timeout = 2.5\nhealth_check_interval = 10\n")
    assert config.load().redis.options == {"socket_timeout": 2.5, "health_check_interval": 10}


def test_librdkafka_properties_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    write('[kafka]\n"linger.ms" = 5\n"client.id" = "x"\n')
    monkeypatch.setenv("SENTINEL_KAFKA_PROPERTIES", '{"linger.ms": 7}')
    assert config.load().kafka.properties == {"linger.ms": "7", "client.id": "x"}


@pytest.mark.parametrize("table", ['password_file = "secrets/p"', 'password = "sesame"'])
def test_a_password_stands_in_the_file_or_in_one_of_its_own(table: str, folder: Path) -> None:
    (folder / "secrets").mkdir()
    (folder / "secrets" / "p").write_text("sesame\n")
    write(f"[redis]\n{table}\n")
    password = config.load().redis.password
    assert password is not None
    assert password.get_secret_value() == "sesame"


def test_secrets_from_the_environment_and_from_files_it_names(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    (folder / "key").write_text("of the key\n")
    write('[redis]\npassword = "of the file"\n')
    monkeypatch.setenv("SENTINEL_REDIS_PASSWORD", "of the environment")
    monkeypatch.setenv("SENTINEL_KAFKA_SASL_PASSWORD", "of kafka")
    monkeypatch.setenv("SENTINEL_KAFKA_SSL_KEY_PASSWORD_FILE", str(folder / "key"))
    settings = config.load()
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == "of the environment"
    assert settings.kafka.properties == {"sasl.password": "of kafka", "ssl.key.password": "of the key"}


def test_nothing_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    write("""
        [kafka]
        "sasl.password" = "sesame"
        "ssl.key.pem" = "sesame"
        "sasl.oauthbearer.config" = "sesame"
        schema_registry_url = "https://user:sesame@registry"
        [redis]
        password = "sesame"
        ssl_password = "sesame"
    """)
    settings = config.explain()
    assert "sesame" not in repr(settings)
    assert "sesame" not in repr(config.load().redis)
    assert "sasl.password" not in repr(config.load())
    shown = {each.name: each.value for each in settings}
    assert shown["kafka.sasl.password"] == "********"
    assert shown["kafka.schema_registry_url"] == "https://user:********@registry"


def test_a_path_is_beside_the_file_that_names_it(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "s.toml").write_text(
        '[detect]\nscorecard = "card.toml"\n[respond]\npolicy = "/p.toml"\n'
    )
    settings = config.load({"config": "etc/s.toml"})
    assert settings.detect.scorecard == Path("etc/card.toml")
    assert settings.respond.policy == Path("/p.toml")


@pytest.mark.parametrize(
    "servers", ["kafka", "kafka:9092", "a:1,b:2", "a:1, b:2", "[::1]:9092", "SSL://a:1", "10.0.0.1:9092"]
)
def test_addresses_that_kafka_takes(servers: str) -> None:
    assert config.load({"kafka.servers": servers}).kafka.servers == servers


@pytest.mark.parametrize("prefix", ["", "staging", "a.b", "team-1_x"])
def test_prefixes_that_kafka_and_redis_take(prefix: str) -> None:
    assert config.load({"prefix": prefix}).prefix == prefix
