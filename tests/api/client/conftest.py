"""Each test runs with the client that blocks and with the one for asyncio."""

import pytest

from tests.support.api import Api
from tests.support.clients import KINDS, Made, app_of


@pytest.fixture(params=KINDS)
def make(request):
    made = []

    def one(handler, **options):
        made.append(Made(request.param, handler, **options))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture
def api(monkeypatch):
    return Api(monkeypatch)


@pytest.fixture
def penstock(make, api):
    """Speaks to the application in memory."""
    return make(app_of(api))
