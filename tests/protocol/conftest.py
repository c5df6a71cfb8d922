from __future__ import annotations

import pytest

from bench.registry import Plugins, discover


@pytest.fixture
def plugins() -> Plugins:
    return discover()
