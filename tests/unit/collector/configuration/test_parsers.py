"""Parser definitions, and those that Fluent Bit's image has."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.collector.configuration.house import MAIN, YAML, read

from pillion.collector.configuration import Configuration, ConfigurationError
from pillion.collector.configuration.parsers import MultilineParserSettings, MultilineRule, ParserSettings
from pillion.collector.configuration.settings import Entry
from pillion.collector.configuration.standard import STANDARD_PARSERS

MY = "/etc/fb/my.conf"
PIPELINE = "[INPUT]\n    Name tail\n    Path /a\n[OUTPUT]\n    Name stdout\n"


def with_parsers(text: str, *, lenient: bool = False) -> Configuration:
    main = f"[SERVICE]\n    Parsers_File my.conf\n{PIPELINE}"
    return read(main, others={MY: text}, lenient=lenient)


def test_a_parser_with_all_its_keys() -> None:
    configuration = with_parsers(r"""
[PARSER]
    Name                 mine
    Format               Regex
    Regex                /^(?<a>\d+) "(?<b>[^"]*)"$/i
    Time_Key             t
    Time_Format          %Y-%m-%d %H:%M:%S.%L
    Time_Keep            On
    Time_Offset          +0200
    Time_Strict          Off
    Time_System_Timezone yes
    Types                a:integer b:string
    Decode_Field_As      escaped_utf8 log do_next
    Decode_Field         json log
    Skip_Empty_Values    false
    Logfmt_No_Bare_Keys  true
""")
    assert configuration.parsers == (
        ParserSettings(
            place=f"{MY}:2",
            name="mine",
            format="regex",
            regex=r'/^(?<a>\d+) "(?<b>[^"]*)"$/i',
            time_key="t",
            time_format="%Y-%m-%d %H:%M:%S.%L",
            time_keep=True,
            time_offset="+0200",
            time_strict=False,
            time_system_timezone=True,
            types=("a:integer", "b:string"),
            decoders=(
                Entry(
                    key="decode_field_as",
                    words=("escaped_utf8", "log", "do_next"),
                    place=f"{MY}:13",
                    text="escaped_utf8 log do_next",
                ),
                Entry(key="decode_field", words=("json", "log"), place=f"{MY}:14", text="json log"),
            ),
            skip_empty_values=False,
            logfmt_no_bare_keys=True,
        ),
    )


@pytest.mark.parametrize(
    "more",
    [{}, {"time_format": "%T", "time_offset": "+0200"}, {"time_format": "%T", "time_system_timezone": True}],
)
def test_a_time_zone_stands_alone_beside_a_format(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="time_zone"):
        ParserSettings(name="p", format="json", time_zone="Europe/Berlin", **more)


RULES = (
    MultilineRule(states=("start_state", "other"), pattern=r"/^\[\d+\] \"x\"/", next="cont", place="1"),
    MultilineRule(states=("cont",), pattern=r"/^\s+at/", next="cont", place="2"),
)


def without_places(rules: tuple[MultilineRule, ...]) -> list[tuple[tuple[str, ...], str, str]]:
    return [(rule.states, rule.pattern, rule.next) for rule in rules]


def test_a_multiline_parser_with_rules_in_both_formats() -> None:
    classic = with_parsers(r"""
[MULTILINE_PARSER]
    name          joined
    type          regex
    flush_timeout 1500
    parser        mine
    key_content   log
    rule  "start_state, other"  "/^\[\d+\] \"x\"/"  "cont"
    rule  "cont"                "/^\s+at/"          "cont"
""").multiline_parsers[0]
    yaml = read(
        r"""
multiline_parsers:
  - name: joined
    type: regex
    flush_timeout: 1500
    parser: mine
    key_content: log
    rules:
      - state: start_state, other
        regex: '/^\[\d+\] "x"/'
        next_state: cont
      - state: cont
        regex: '/^\s+at/'
        next_state: cont
pipeline:
  inputs: [{name: tail, path: /a}]
  outputs: [{name: stdout}]
""",
        path=YAML,
    ).multiline_parsers[0]
    for parser in (classic, yaml):
        assert (parser.name, parser.type, parser.flush_timeout) == ("joined", "regex", 1.5)
        assert (parser.parser, parser.key_content, parser.negate) == ("mine", "log", False)
        assert without_places(parser.rules) == [
            (("start_state", "other"), r'/^\[\d+\] "x"/', "cont"),
            (("cont",), r"/^\s+at/", "cont"),
        ]
    assert classic.rules[1].place == f"{MY}:9"


def test_the_other_types_of_multiline_parsers() -> None:
    text = "[MULTILINE_PARSER]\n  name {}\n  type {}\n  match_string \\\n  negate on\n"
    configuration = with_parsers(text.format("a", "endswith") + text.format("b", "eq"))
    assert configuration.multiline_parsers == (
        MultilineParserSettings(place=f"{MY}:1", name="a", type="endswith", match_string="\\", negate=True),
        MultilineParserSettings(place=f"{MY}:6", name="b", type="equal", match_string="\\", negate=True),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[PARSER]\n  Format json\n", "1: [PARSER]: name is missing"),
        ("[PARSER]\n  Name a\n", "1: [PARSER]: format is missing"),
        (
            "[PARSER]\n  Name a\n  Format jsn\n",
            "3: [PARSER]: format: 'jsn' is not one of json, regex, ltsv, logfmt; did",
        ),
        ("[PARSER]\n  Name a\n  Format regex\n", "1: [PARSER]: format regex needs a regex"),
        (
            "[PARSER]\n  Name a\n  Format json\n  Time_Fromat x\n",
            "4: [PARSER]: time_fromat: there is no such key; did",
        ),
        ("[MULTILINE_PARSER]\n  name a\n  type regex\n", "1: [MULTILINE_PARSER] a: type regex needs rules"),
        (
            "[MULTILINE_PARSER]\n  name a\n  type equal\n",
            "1: [MULTILINE_PARSER] a: type equal needs match_string",
        ),
        ('[MULTILINE_PARSER]\n  name a\n  type regex\n  rule "start\n', '4: rule: a " is never closed'),
        ("[MULTILINE_PARSER]\n  name a\n  type regex\n  rule start\n", "4: rule: write it as `rule"),
    ],
)
def test_what_is_wrong_with_a_parser(text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_parsers(text)
    assert str(caught.value).startswith(f"{MY}:{fault}")


def test_of_two_parsers_of_one_name_the_first_counts() -> None:
    configuration = with_parsers("[PARSER]\n  Name a\n  Format json\n[PARSER]\n  Name a\n  Format ltsv\n")
    assert [parser.format for parser in configuration.parsers] == ["json"]
    assert configuration.warnings == (
        f"{MY}:4: [PARSER] a: left out: {MY}:1 has one of this name, and it comes first",
    )


def test_other_sections_of_a_parsers_file_are_passed_over_with_a_warning() -> None:
    configuration = with_parsers("[PARSER]\n  Name a\n  Format json\n[OUTPUT]\n  Name stdout\n")
    assert len(configuration.outputs) == 1
    assert configuration.warnings == (
        f"{MY}:4: [OUTPUT]: passed over: this file is read for its parsers only",
    )


@pytest.mark.parametrize(
    ("named", "folder"),
    [
        ("parsers.conf", "/etc/fb"),
        ("/etc/fb/parsers.conf", "/etc/fb"),
        ("/fluent-bit/etc/parsers.conf", "/etc/fb"),
        ("/fluent-bit/parsers/parsers.conf", "/etc/fb"),
    ],
)
def test_the_parsers_of_the_image_stand_in_for_its_file(named: str, folder: str) -> None:
    configuration = read(f"[SERVICE]\n    Parsers_File {named}\n{PIPELINE}")
    assert configuration.parsers == STANDARD_PARSERS
    assert any(difference.subject.endswith("parsers_file") for difference in configuration.differences)


def test_a_file_that_exists_comes_before_the_parsers_of_the_image() -> None:
    own = {"/etc/fb/parsers.conf": "[PARSER]\n  Name json\n  Format json\n"}
    configuration = read(f"[SERVICE]\n    Parsers_File parsers.conf\n{PIPELINE}", others=own)
    assert [parser.name for parser in configuration.parsers] == ["json"]


def test_several_parsers_files_are_read_in_order() -> None:
    main = f"[SERVICE]\n    Parsers_File /p/a.conf\n    Parsers_File b.conf\n    Parsers_File parsers.conf\n{PIPELINE}"
    text = "[PARSER]\n  Name {}\n  Format json\n"
    others = {"/p/a.conf": text.format("a"), "/etc/fb/b.conf": text.format("json")}
    names = [parser.name for parser in read(main, others=others).parsers]
    assert names[:3] == ["a", "json", "apache"]
    assert MAIN


# ── the parsers of the image ─────────────────────────────────────────────────────────────────────────────────────────
def fields(name: str, line: str) -> dict[str, str] | None:
    """What the regex finds; Ruby's named groups are Python's but for a letter."""
    parser = next(parser for parser in STANDARD_PARSERS if parser.name == name)
    found = re.search(parser.regex.replace("(?<", "(?P<"), line)
    return {key: value for key, value in found.groupdict().items() if value} if found else None


ACCESS = '10.0.0.1 - alice [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.1" 200 2326'
VISIT = ' "http://from/" "Mozilla/5.0 (X11)"'
ACCESSED = {
    "user": "alice",
    "time": "10/Oct/2000:13:55:36 -0700",
    "method": "GET",
    "path": "/a?b",
    "code": "200",
    "size": "2326",
}
VISITED = {"referer": "http://from/", "agent": "Mozilla/5.0 (X11)"}
ENVOY = '[2016-04-15T20:17:00.310Z] "POST /api/v1 HTTP/2" 204 - '


@pytest.mark.parametrize(
    ("name", "line", "wanted"),
    [
        ("apache", ACCESS, {"host": "10.0.0.1", **ACCESSED}),
        ("apache", ACCESS + VISIT, {"host": "10.0.0.1", **ACCESSED, **VISITED}),
        ("apache2", ACCESS + VISIT, {"host": "10.0.0.1", **ACCESSED, **VISITED}),
        ("apache2", ACCESS, {"host": "10.0.0.1", **ACCESSED}),
        ("nginx", ACCESS + VISIT, {"remote": "10.0.0.1", "host": "-", **ACCESSED, **VISITED}),
        ("nginx", ACCESS, None),
        (
            "apache_error",
            "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187] gone",
            {
                "time": "Sep 09 10:42:29.902022 2011",
                "level": "core:error",
                "pid": "35708:tid 4328636416",
                "client": "72.15.99.187",
                "message": "gone",
            },
        ),
        (
            "k8s-nginx-ingress",
            ACCESS + VISIT + " 500 0.003 [default-web-80] [] 10.0.0.2:80 12 0.004 200 c0ffee",
            {
                "host": "10.0.0.1",
                **ACCESSED,
                **VISITED,
                "request_length": "500",
                "request_time": "0.003",
                "proxy_upstream_name": "default-web-80",
                "upstream_addr": "10.0.0.2:80",
                "upstream_response_length": "12",
                "upstream_response_time": "0.004",
                "upstream_status": "200",
                "reg_id": "c0ffee",
            },
        ),
        (
            "docker-daemon",
            'time="2016-11-18T20:49:33.8Z" level=info msg="it \\"runs\\""',
            {"time": "2016-11-18T20:49:33.8Z", "level": "info", "msg": 'it \\"runs\\"'},
        ),
        (
            "syslog-rfc5424",
            '<165>2 2003-10-11T22:14:15.003Z web su - ID47 [a@1 b="c"] it failed',
            None,
        ),
        (
            "syslog-rfc5424",
            '<165>1 2003-10-11T22:14:15.003Z web su 12 ID47 [a@1 b="c"] it failed',
            {
                "pri": "165",
                "time": "2003-10-11T22:14:15.003Z",
                "host": "web",
                "ident": "su",
                "pid": "12",
                "msgid": "ID47",
                "extradata": '[a@1 b="c"]',
                "message": "it failed",
            },
        ),
        (
            "syslog-rfc3164",
            "<34>Oct  1 22:14:15 web sshd[42]: bad: login",
            {
                "pri": "34",
                "time": "Oct  1 22:14:15",
                "host": "web",
                "ident": "sshd",
                "pid": "42",
                "message": "bad: login",
            },
        ),
        (
            "syslog-rfc3164-local",
            "<34>Oct 11 22:14:15 sshd: bad",
            {"pri": "34", "time": "Oct 11 22:14:15", "ident": "sshd", "message": "bad"},
        ),
        (
            "mongodb",
            "2014-11-03T18:28:32.450-0500 I NETWORK  [initandlisten] waiting on port 27017  12ms",
            {
                "time": "2014-11-03T18:28:32.450-0500",
                "severity": "I",
                "component": "NETWORK",
                "context": "initandlisten",
                "message": "waiting on port 27017",
                "ms": "12",
            },
        ),
        (
            "envoy",
            ENVOY + '154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0" "locations" "tcp://10.0.2.1:80"',
            {
                "start_time": "2016-04-15T20:17:00.310Z",
                "method": "POST",
                "path": "/api/v1",
                "protocol": "HTTP/2",
                "code": "204",
                "response_flags": "-",
                "bytes_received": "154",
                "bytes_sent": "0",
                "duration": "226",
                "x_envoy_upstream_service_time": "100",
                "x_forwarded_for": "10.0.35.28",
                "user_agent": "nsq2http",
                "request_id": "cc21d9b0",
                "authority": "locations",
                "upstream_host": "tcp://10.0.2.1:80",
            },
        ),
        (
            "istio-envoy-proxy",
            ENVOY
            + 'via_upstream - "-" 0 0 2 1 "-" "curl" "id" "host" "10.0.0.2:80" out a:1 b:2 c:3 sni default',
            {
                "start_time": "2016-04-15T20:17:00.310Z",
                "method": "POST",
                "path": "/api/v1",
                "protocol": "HTTP/2",
                "response_code": "204",
                "response_flags": "-",
                "response_code_details": "via_upstream",
                "connection_termination_details": "-",
                "upstream_transport_failure_reason": '"-"',
                "bytes_received": "0",
                "bytes_sent": "0",
                "duration": "2",
                "x_envoy_upstream_service_time": "1",
                "x_forwarded_for": "-",
                "user_agent": "curl",
                "x_request_id": "id",
                "authority": '"host',
                "upstream_host": "10.0.0.2:80",
                "upstream_cluster": "out",
                "upstream_local_address": "a:1",
                "downstream_local_address": "b:2",
                "downstream_remote_address": "c:3",
                "requested_server_name": "sni",
                "route_name": "default",
            },
        ),
        (
            "cri",
            "2016-02-17T00:04:05.931087621Z stdout F [info] it  runs",
            {
                "time": "2016-02-17T00:04:05.931087621Z",
                "stream": "stdout",
                "logtag": "F",
                "message": "[info] it  runs",
            },
        ),
        ("cri", "2016-02-17T00:04:05Z stdin F x", None),
        (
            "kube-custom",
            "kube.web-5f.v1_prod_app-" + "0a" * 32 + ".log",
            {
                "tag": "kube",
                "pod_name": "web-5f.v1",
                "namespace_name": "prod",
                "container_name": "app",
                "docker_id": "0a" * 32,
            },
        ),
    ],
)
def test_what_the_images_parsers_find(name: str, line: str, wanted: dict[str, str] | None) -> None:
    assert fields(name, line) == wanted


def test_the_netfilter_parser_finds_addresses_and_ports() -> None:
    mac = "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:08:00"
    line = (
        f"<4>1 2020-05-10T16:33:17.5Z fw kernel - - - [123.4] DROP IN=eth0 OUT= MAC={mac} SRC=10.0.0.1 DST=10.0.0.2 "
        "LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=4711 DPT=80 WINDOW=29200 RES=0x00 SYN URGP=0"
    )
    found = fields("kmsg-netfilter-log", line)
    assert found is not None
    wanted = {
        "in": "eth0",
        "macsrc": mac[:17],
        "ethtype": "08:00",
        "proto": "TCP",
        "sport": "4711",
        "dport": "80",
    }
    wanted |= {
        "window": "29200",
        "res": "0x00",
        "flag": "SYN",
        "urgp": "0",
        "logprefix": "DROP",
        "saddr": "10.0.0.1",
    }
    assert {key: found.get(key) for key in wanted} == wanted
