"""The Schema Registry, where one is configured: does it answer."""

from __future__ import annotations

import urllib.error
import urllib.request

from sentinel_cli.checks.finding import Finding
from sentinel_cli.config import Settings

ANSWER_WITHIN = 6.0  # seconds
NAME = "schema registry"


def check(settings: Settings) -> list[Finding]:
    url = settings.kafka.schema_registry_url
    if not url:
        return [Finding(NAME, "skip", "none is configured: records travel as JSON")]
    try:
        # The settings allow http and https alone.
        with urllib.request.urlopen(f"{url.rstrip('/')}/subjects", timeout=ANSWER_WITHIN):  # noqa: S310
            return [Finding(NAME, "ok", f"answers at {url}")]
    except urllib.error.HTTPError as error:
        with error:
            return [
                Finding(NAME, "fail", f"{url} answers {error.code} {error.reason}: check SCHEMA_REGISTRY_URL")
            ]
    except OSError as error:
        reason = getattr(error, "reason", error)
        words = f"Schema Registry does not answer at {url} ({reason}): check SCHEMA_REGISTRY_URL."
        return [Finding(NAME, "fail", words, unreachable=True)]
