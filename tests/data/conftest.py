"""What tests of shipped data share."""

import pytest

from helpers import open_study


@pytest.fixture(scope="package")
def recorded():
    """The shipped record of GoogLeNet."""
    return open_study("googlenet").record
