"""Every family against the contract."""

import pytest

from keras_zoo import testing
from keras_zoo.registry import families

ALONE = [check for check in testing.CHECKS if check is not testing.check_other_backends]
CASES = [(family, check) for family in families().values() for check in (*ALONE, *family.checks)]


@pytest.mark.parametrize(("family", "check"), CASES, ids=lambda x: getattr(x, "name", None) or x.__name__)
def test_contract(family, check, tmp_path):
    check(family, tmp_path)


def test_other_backends(tmp_path):
    """`check_other_backends` of all families at once, since a process takes longer to start than to check one."""
    testing.compare_backends(families().values(), tmp_path)
