"""Programs that end in tracebacks of every kind; run them to see what Python prints."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PROGRAMS = {
    "plain": "1 / 0",
    "without a message": "raise KeyboardInterrupt",
    "in functions": """
        def inner(values):
            return values["a"]["b"] + values["c"]
        def outer():
            return inner({"a": {}})
        outer()
    """,
    "chained by a cause": """
        try:
            {}["x"]
        except KeyError as error:
            raise ValueError("no x") from error
    """,
    "chained three times": """
        try:
            try:
                {}["x"]
            except KeyError:
                int("y")
        except ValueError as error:
            raise RuntimeError("gave up") from error
    """,
    "a message of several lines": 'raise ValueError("first\\n  second\\n\\nthird line")',
    "notes": """
        error = ValueError("bad")
        error.add_note("while reading the prompt")
        error.add_note("of two\\nlines")
        raise error
    """,
    "notes in a chain": """
        error = ValueError("bad")
        error.add_note("a note")
        try:
            raise error
        except ValueError:
            raise TypeError("worse")
    """,
    "a group": """
        raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])
    """,
    "groups in groups": """
        def fail(kind):
            try:
                raise kind("in it")
            except kind as error:
                return error
        raise ExceptionGroup("outer", [fail(ValueError), ExceptionGroup("inner", [fail(KeyError), fail(TypeError)])])
    """,
    "a group after an exception": """
        try:
            1 / 0
        except ZeroDivisionError:
            raise ExceptionGroup("several", [ValueError("one\\ntwo")])
    """,
    "a group that causes another": """
        try:
            raise ExceptionGroup("a", [ValueError(1)])
        except ExceptionGroup:
            raise ExceptionGroup("b", [ValueError(2)])
    """,
    "a group that causes an exception": """
        try:
            raise ExceptionGroup("a", [ValueError(1)])
        except ExceptionGroup as error:
            raise KeyError("b") from error
    """,
    "recursion": "def f(): f()\nf()",
    "a syntax error": "compile('x = = 1', 'made.py', 'exec')",
    "of the program itself": "x = = 1",
    "a class in a function": """
        def make():
            class Odd(Exception):
                pass
            return Odd
        raise make()("strange: (very) odd")
    """,
    "an assertion": "assert [1, 2] == [1]",
    "markers under several lines": """
        def call(*args, **kwargs):
            raise LookupError(args)
        call(
            1,
            two=3,
        )
    """,
}
NEWER = {
    "3.13, markers under several lines": """\
        Traceback (most recent call last):
          File "/app/agent.py", line 9, in <module>
            call(
            ~~~~^
                1,
                ^^
                two=3,
                ^^^^^^
            )
            ^
          File "/app/agent.py", line 6, in call
            raise LookupError(args)
        LookupError: (1,)""",
    "3.13, a hint": """\
        Traceback (most recent call last):
          File "/app/random.py", line 1, in <module>
            import random
          File "/app/random.py", line 3, in <module>
            print(random.randint(5))
                  ^^^^^^^^^^^^^^
        AttributeError: module 'random' has no attribute 'randint' (consider renaming '/app/random.py')""",
    "3.13, an interrupted task group": """\
          + Exception Group Traceback (most recent call last):
          |   File "/usr/lib/python3.13/asyncio/runners.py", line 195, in run
          |     return runner.run(main)
          |            ~~~~~~~~~~^^^^^^
          |   File "/app/agent.py", line 12, in main
          |     async with asyncio.TaskGroup() as group:
          |                ~~~~~~~~~~~~~~~~~^^
          | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
          +-+---------------- 1 ----------------
            | Traceback (most recent call last):
            |   File "/app/agent.py", line 8, in ask
            |     raise TimeoutError
            | TimeoutError
            +------------------------------------""",
    "3.10, without markers": """\
        Traceback (most recent call last):
          File "t.py", line 1, in <module>
            1 / 0
        ZeroDivisionError: division by zero""",
}  # fmt: skip


def printed(program: str) -> str:
    """What Python says when `program` ends."""
    done = subprocess.run(
        (sys.executable, "-c", textwrap.dedent(program)), stderr=subprocess.PIPE, text=True, check=False
    )
    return done.stderr.rstrip("\n")


def all_of_them() -> dict[str, str]:
    newer = {name: textwrap.dedent(text) for name, text in NEWER.items() if "Group Traceback" not in text}
    groups = {
        name: "\n".join([line[8:] for line in text.split("\n")])
        for name, text in NEWER.items()
        if "Group Traceback" in text
    }
    return {name: printed(program) for name, program in PROGRAMS.items()} | newer | groups
