"""A wrong value is one sentence: the setting, where the value came from, what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sentinel_cli import config
from sentinel_cli.errors import ConfigError, ExitCode


def sentence(flags: dict[str, object] | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        config.load(flags)
    assert raised.value.exit_code == ExitCode.USAGE
    return str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("REDIS_PORT", "abc", "must be a port from 1 to 65535, not 'abc' (environment REDIS_PORT)."),
        ("FRAUD_THRESHOLD", "1.5", "fraud_threshold must be a number from 0 to 1, not '1.5'"),
        ("FRAUD_THRESHOLD", "nan", "fraud_threshold must be a number from 0 to 1, not 'nan'"),
        ("STREAM_SENTINEL_ENV", "prod", "env must be development, staging or production, not 'prod'"),
        ("LOG_LEVEL", "loud", "log_level must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'loud'"),
        ("KAFKA_SERVERS", "a:b", "kafka.servers must be host:port, several separated by commas, not 'a:b'"),
        ("SCHEMA_REGISTRY_URL", "x", "kafka.schema_registry_url must be a URL that begins with http"),
        ("BATCH_SIZE", "0", "detect.batch_size must be a whole number of at least 1, not '0'"),
        ("SENTINEL_PREFIX", "a{b", "prefix must be letters, digits, '-' and '_'"),
        ("SENTINEL_REDIS_SSL", "maybe", "redis.ssl must be true or false, not 'maybe'"),
        ("SENTINEL_KAFKA_PROPERTIES", "[1]", "in environment SENTINEL_KAFKA_PROPERTIES must be a JSON"),
        ("REDIS_PORT", "tcp://10.0.0.1:6379", "enableServiceLinks: false"),
        ("SENTINEL_CONFIG", "no.toml", "there is no settings file no.toml; `sentinel config init no.toml`"),
        ("SENTINEL_PROFILE", "p", "no profile 'p' in sentinel.toml: there is no file."),
        ("SENTINEL_REDIS_PASSWORD_FILE", "no", "no, named by environment SENTINEL_REDIS_PASSWORD_FILE"),
    ],
)  # fmt: skip
def test_of_the_environment(variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    text = sentence()
    assert said in text
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('prefix = ""\n[redis]\nport = "x"', "a port from 1 to 65535, not 'x' (sentinel.toml, line 3)"),
        ("redis.port = 0", "(sentinel.toml)."),
        ('[kafka]\n"a.b" = [1]', "must be text, a number, true or false, not [1] (sentinel.toml, line 2)"),
        ("detect = 3", "detect must be a table, not 3 (sentinel.toml, line 1)"),
        ("[detect]\nbatch_sise = 3", "no setting detect.batch_sise; did you mean detect.batch_size?"),
        ("consumergroup = 3", "there is no setting consumergroup; did you mean consumer_group?"),
        ("save_profiles = 3", "there is no setting save_profiles; did you mean detect.save_profiles?"),
        ("[detekt]\nzzz = 3", "there is no setting detekt; `sentinel config show` lists them."),
        ("home = 'x'", "sentinel.toml, line 1: home has no place in a file; set SENTINEL_HOME."),
        ("a = [", "sentinel.toml is not valid TOML: Invalid value"),
        ("profiles = 3", "sentinel.toml: profiles must be tables"),
    ],
)  # fmt: skip
def test_of_the_file(written: str, said: str) -> None:
    Path("sentinel.toml").write_text(written)
    text = sentence()
    assert said in text
    assert "\n" not in text


def test_of_a_profile() -> None:
    Path("sentinel.toml").write_text("[profiles.p.redis]\nport = 0\n[profiles.q]\n")
    assert sentence({"profile": "p"}) == (
        "redis.port must be a port from 1 to 65535, not 0 (profile p in sentinel.toml, line 2)."
    )
    assert sentence({"profile": "r"}) == "no profile 'r' in sentinel.toml: it has p, q."


def test_of_a_flag() -> None:
    assert (
        sentence({"redis.port": 0}) == "redis.port must be a port from 1 to 65535, not 0 (flag --redis-port)."
    )


def test_two_wrong_values_are_two_sentences() -> None:
    assert sentence({"redis.port": 0, "prefix": ".."}).count("\n") == 1


def test_of_the_local_stack(folder: Path) -> None:
    (folder / "home" / "stack.json").write_text("{")
    assert "stack.json is damaged" in sentence()


def test_no_sentence_tells_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sentinel.toml").write_text(
        '[redis]\npassword = ["sesame"]\n[kafka]\n"sasl.password" = ["sesame"]\n'
    )
    assert "sesame" not in sentence()
    assert len(re.findall(re.escape(config.MASK), sentence())) == 2
