import pytest

from pillion.plan.envfile import read_env_file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K='v'", "v"),
        ("K='v'\n", "v"),
        ("# c\n\n \tK='v' # comment\n", "v"),
        ("K='1'\nK='2'\n", "1"),
        ("A='x'\nK='v'\n", "v"),
        ("K='a\n  b\n'\n", "a\n  b\n"),
        ("A='K=1\n# no comment'\nK='v'", "v"),
        ("K= 'v'", ""),
        ("A= 'x'\nK='v'", "v"),
        ("K='$(A) \\n \"'", '$(A) \\n "'),
        ("K='v'\r\n", "v"),
        ("A='x'", ""),
        ("", ""),
        ("K='v'\nthe rest is not looked at", "v"),
    ],
)
def test_a_value_is_read_literally_from_single_quotes(text, value):
    assert read_env_file(text, "K") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no assignment", "invalid environment variable format at line 1: missing '='"),
        ("\n='v'", "invalid environment variable format at line 2: empty variable name"),
        ("K ='v'", "invalid environment variable format at line 1: whitespace before '=' is not allowed"),
        ("K=v", "invalid environment variable format at line 1: value must be enclosed in single quotes"),
        ("K=", "invalid environment variable format at line 1: value must be enclosed in single quotes"),
        ('K="v"', "invalid environment variable format at line 1: value must be enclosed in single quotes"),
        ("K='v'x", "invalid environment variable format at line 1: unexpected content after closing quote"),
        (
            "K='a\nb'x",
            "invalid environment variable format at line 2: unexpected content after closing quote",
        ),
        ("\nK='a\nb\n", "invalid environment variable format starting at line 2: unclosed single quote"),
    ],
)
def test_what_is_no_assignment_is_refused(text, message):
    with pytest.raises(ValueError, match=r"^invalid") as caught:
        read_env_file(text, "K")
    assert str(caught.value) == message
