"""What was measured is one file, and the pages follow from it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "reference" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["performance", "scaling"])
def test_the_page_is_what_was_measured(page: str, generate: ModuleType) -> None:
    assert (DOCS / f"{page}.md").read_text() == getattr(generate, page)(), "run `make reference`"


def test_busy_machines_are_owned_up_to(generate: ModuleType) -> None:
    document = json.loads((DOCS / "performance.json").read_text())
    words = "while the machine did other work"
    results = [each for each in document["results"] if "others_cores" in each]
    for others, said in ((0.1, False), (0.9, True)):
        for each in results:
            each["others_cores"] = others
        assert (words in generate.page.performance(document)) == said
