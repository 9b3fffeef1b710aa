import pytest

from .small import open_small


@pytest.fixture(scope="session")
def study():
    return open_small()
