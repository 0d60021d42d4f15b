"""The file format of `fileKeyRef`: a small part of POSIX shell (pkg/kubelet/util/env/env_util.go: ParseEnv, 1.35 on).

NAME='value'            values always in single quotes, literal, over several lines if need be
NAME='value' # comment
NAME= 'value'           a blank after `=` assigns the empty string, as a shell would
"""

_BLANKS = " \t"


def read_env_file(text: str, key: str) -> str:
    """The value of `key`: the first assignment counts. "" for a key that is not there; the kubelet does not tell
    it from an empty value. Lines after the assignment are not looked at.

    Raises ValueError for a line that is no assignment.
    """
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, raw in lines:
        line = raw.removesuffix("\r").lstrip(_BLANKS)
        if not line or line.startswith("#"):
            continue
        name, value = _split(line, number)
        if value.startswith(tuple(_BLANKS)):
            if name == key:
                return ""
            continue
        if not value.startswith("'"):
            raise _wrong(number, "value must be enclosed in single quotes")
        parts, rest = [], value[1:]
        while "'" not in rest:
            parts.append(rest)
            try:
                _, rest = next(lines)
            except StopIteration:
                raise ValueError(
                    f"invalid environment variable format starting at line {number}: unclosed single quote"
                ) from None
            rest = rest.removesuffix("\r")
        last, _, after = rest.partition("'")
        after = after.lstrip(_BLANKS)
        if after and not after.startswith("#"):
            raise _wrong(number + len(parts), "unexpected content after closing quote")
        if name == key:
            return "\n".join([*parts, last])
    return ""


def _split(line: str, number: int) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals:
        raise _wrong(number, "missing '='")
    if not name.rstrip(_BLANKS):
        raise _wrong(number, "empty variable name")
    if name != name.rstrip(_BLANKS):
        raise _wrong(number, "whitespace before '=' is not allowed")
    return name, value


def _wrong(line: int, cause: str) -> ValueError:
    return ValueError(f"invalid environment variable format at line {line}: {cause}")
