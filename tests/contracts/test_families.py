"""Every family against the contract."""

import pytest

from keras_zoo import testing
from keras_zoo.registry import families

CASES = [(family, check) for family in families().values() for check in (*testing.CHECKS, *family.checks)]


@pytest.mark.parametrize(("family", "check"), CASES, ids=lambda x: getattr(x, "name", None) or x.__name__)
def test_contract(family, check, tmp_path):
    check(family, tmp_path)
