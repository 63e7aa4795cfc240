"""Every family against the contract."""

import pytest

from keras_zoo import testing
from keras_zoo.registry import families


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(families()))
def test_contract(name, check, tmp_path):
    check(families()[name], tmp_path)
