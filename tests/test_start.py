"""What is read in when: no command and no import waits for PyTorch unless it needs it."""

import subprocess
import sys

import pytest

import helpers
from helpers import record


def alone(code):
    """What a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_package_alone_does_not_read_in_pytorch():
    assert alone("import sys, helpers; print('torch' in sys.modules)") == ["False"]


@pytest.mark.parametrize("arguments", [["--help"], ["record", "--help"], ["record", "--k", "none"]])
def test_help_and_misspelt_commands_do_not_read_in_pytorch(arguments):
    code = (
        f"import sys\nsys.argv[1:] = {arguments}\nfrom helpers.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    print('torch' in sys.modules)"
    )
    assert alone(code)[-1] == "False"


def test_everything_is_there_once_it_is_asked_for():
    code = (
        "import helpers; print(helpers.record.record.__name__, helpers.selectivity.category_share.__name__, "
        "helpers.open_study.__name__, helpers.study.Study is helpers.Study, "
        "{'open_study', 'record', '__version__'} <= set(dir(helpers)), hasattr(helpers, 'a.b'))"
    )
    assert alone(code) == ["record", "category_share", "open_study", "True", "True", "False"]
    assert helpers.record is record


def test_what_is_not_there_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = helpers.nothing
    with pytest.raises(ImportError):
        from helpers import nothing  # noqa: F401
