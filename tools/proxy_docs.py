"""The reference of the proxy's configuration, made from the tables that read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pillion.proxy.configuration import ConfigurationError, load, schema
from pillion.proxy.configuration.sections import Key, Section, chapters
from pillion.proxy.configuration.tables import DOCUMENT

_EXAMPLE = "examples/proxy/proxy.yaml"
_ABOUT = f"""\
Made from the program by `tools/generate_docs.py`. `pillion proxy --config FILE` serves what the file says,
`--check` only says what is wrong with it. An example: [`{_EXAMPLE}`](../../{_EXAMPLE}).

```yaml
EXAMPLE```

## Values

* YAML is 1.2's: `on` and `no` are text, not truth values. One document, no key twice.
* Times are `250ms`, `5s`, `2m`, `1h30m`; a number without a unit is refused, but for `0`. Where it makes sense, 0 means
  without limit.
* Sizes are quantities as in a Pod: `512Ki`, `1Mi`, `1M`, or bytes.
* Regular expressions are RE2's, and match the whole text. Unicode classes (`\\pL`) are refused.
* Names are lower-case letters, digits and `-`. Inbound and outbound share them; routes have theirs in each inbound.
* `${{NAME}}` is not expanded, and refused so that nobody waits for it.
* Paths of files that are relative begin at the folder of the file.
* What may be left out has no empty form: `allow: []` is refused, as it could be read both ways.
"""
_WRONG = """\
## What is wrong

Everything that is wrong is said at once, with file and line, before Envoy sees it; `pillion proxy` does not start with
it. A change of the file that is wrong keeps what is served, and is logged and counted. Unknown keys, values of a wrong
type or out of range, names and ports that clash (with each other or with ours), certificates that are missing or lack
what they are used for, `allow` where nobody has an identity, an outbound that would trust anyone, ways that come back
to the proxy, and routes that can never match, as an earlier one takes all their requests. (One earlier route is asked
at a time, and regular expressions are compared as texts.)

```yaml
{faulty}```

```text
{said}
```
"""
_EDITORS = """\
## Editors

[The JSON Schema](proxy-configuration.schema.json) knows keys and values. With yaml-language-server, as the first line:

```yaml
# yaml-language-server: $schema=PATH/proxy-configuration.schema.json
```
"""
_FAULTY = """\
certificates:
- name: agent
  folder: /var/run/secrets/tls
inbound:
- name: agent
  port: 8443
  tls: simple
  certificate: agnet
  allow: [spiffe://example.org/ns/default/sa/client]
  routes:
  - to: 8000
    timeout: 30
  - match: {prefix: /health}
    to: 8443
    retrys: {attempts: 2}
outbound:
- name: summarizer
  port: 15020
  to: summarizer.default.svc:8443
  certificate: agent
"""


def configuration_page(root: Path) -> str:
    try:
        load(_FAULTY, "proxy.yaml")
        said = ""
    except ConfigurationError as error:
        said = str(error)
    assert said, "the example of faults has some"
    parts = [
        "# The proxy's configuration",
        _ABOUT.replace("EXAMPLE", (root / _EXAMPLE).read_text()).rstrip(),
        *(part for section in chapters(DOCUMENT).values() for part in _chapter(section)),
        _WRONG.format(faulty=_FAULTY, said=said).rstrip(),
        _EDITORS.rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def configuration_schema() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _chapter(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield section.help
    rows = [
        f"| `{key.name}` | {_cell(key.kind.takes)} | {_default(section, key)} | {_cell(key.help)} |"
        for key in section.keys
    ]
    yield "\n".join(("| key | takes | default | |", "| --- | --- | --- | --- |", *rows))


def _default(section: Section, key: Key) -> str:
    if key.is_needed:
        return "needed"
    if key.default:
        return _cell(key.default)
    value = section.default(key)
    if value is None:
        return ""
    if isinstance(value, dict):
        return "its keys' defaults"
    text = ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value).strip('"')
    return f"`{text}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
