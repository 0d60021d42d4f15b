"""The parsers that Fluent Bit's image has in /fluent-bit/etc/parsers.conf: same names, same fields, same times.

A ConfigMap that is mounted over that folder hides the file; `Parsers_File parsers.conf` finds these then.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from pillion.collector.configuration.parsers import ParserSettings

FILES = ("parsers.conf", "parsers.yaml")
FOLDERS = ("/fluent-bit/etc", "/fluent-bit/parsers")
PLACE = "built in"

_CLF_TIME = "%d/%b/%Y:%H:%M:%S %z"
_ISO_TIME = "%Y-%m-%dT%H:%M:%S.%L"
_ISO_TIME_ZONE = "%Y-%m-%dT%H:%M:%S.%L%z"
_SYSLOG_TIME = "%b %d %H:%M:%S"


def is_standard(path: str, folder: str) -> bool:
    """Whether a parsers file that does not exist is the image's own."""
    named = PurePosixPath(path)
    return named.name in FILES and str(named.parent) in (".", folder, *FOLDERS)


def _word(name: str) -> str:
    return f"(?<{name}>[^ ]*)"


def _words(names: str) -> str:
    return " ".join(map(_word, names.split()))


def _bracketed(name: str) -> str:
    return rf"\[(?<{name}>[^\]]*)\]"


def _quoted(name: str, content: str = '[^"]*') -> str:
    return f'"(?<{name}>{content})"'


def _request(path: str = '[^"]*?', version: str = r"(?: +\S*)?") -> str:
    """`GET /path HTTP/1.1` without its quotes."""
    return rf"(?<method>\S+)(?: +(?<path>{path}){version})?"


def _access(path: str = '[^"]*?', version: str = r"(?: +\S*)?") -> str:
    """A common log line from the user to the size."""
    return f'{_word("user")} {_bracketed("time")} "{_request(path, version)}" {_words("code size")}'


_PROTOCOL = r" +\S*"
_VISITOR = f"{_quoted('referer')} {_quoted('agent')}"
_ENVOY_REQUEST = rf'^{_bracketed("start_time")} "{_request()} (?<protocol>\S+)"'
_ENVOY_COUNTERS = _words("bytes_received bytes_sent duration x_envoy_upstream_service_time")
_SYSLOG_TAG = r"(?<ident>[a-zA-Z0-9_/.\-]*)(?:\[(?<pid>[0-9]+)\])?(?:[^:]*:)? *(?<message>.*)$"
_SYSLOG_HEAD = r"^<(?<pri>[0-9]+)>(?<time>[^ ]* {1,2}[^ ]* [^ ]*)"
_POD_NAME = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"


def _mac(name: str, octets: int) -> str:
    return f"(?<{name}>{':'.join(['[0-9a-f]{2}'] * octets)})"


def _maybe(key: str, name: str, content: str = "[0-9]*") -> str:
    return rf"\s?(?:{key}=)?(?<{name}>{content})"


_NETFILTER = (
    r"^<(?<pri>[0-9]{1,5})>1 (?<time>[^ ]+) (?<host>[^ ]+) kernel - - - \[[0-9.]*\] (?<logprefix>[^ ]*)\s?"
    rf"IN={_word('in')} OUT={_word('out')} MAC={_mac('macsrc', 6)}:{_mac('macdst', 6)}:{_mac('ethtype', 2)} "
    rf"SRC={_word('saddr')} DST={_word('daddr')} LEN={_word('len')} TOS={_word('tos')} PREC={_word('prec')} "
    rf"TTL={_word('ttl')} ID={_word('id')} D*F*\s*PROTO={_word('proto')}{_maybe('SPT', 'sport')}"
    rf"{_maybe('DPT', 'dport')}{_maybe('LEN', 'protolen')}{_maybe('WINDOW', 'window')}"
    rf"{_maybe('RES', 'res', '0?x?[0-9]*')}\s?(?<flag>[^ ]*){_maybe('URGP', 'urgp')}"
)


def _regex(
    name: str, pattern: str, time_format: str = "", *, keep: bool = False, key: str = "time"
) -> ParserSettings:
    return ParserSettings(
        place=PLACE,
        name=name,
        format="regex",
        regex=pattern,
        time_key=key if time_format else "",
        time_format=time_format,
        time_keep=keep,
    )


STANDARD_PARSERS: tuple[ParserSettings, ...] = (
    _regex("apache", rf"^{_word('host')} [^ ]* {_access()}(?: {_VISITOR})?$", _CLF_TIME),
    _regex(
        "apache2",
        rf"^{_word('host')} [^ ]* {_access('[^ ]*', _PROTOCOL)}(?: {_quoted('referer')} {_quoted('agent', '.*')})?$",
        _CLF_TIME,
    ),
    _regex(
        "apache_error",
        rf"^\[[^ ]* (?<time>[^\]]*)\] {_bracketed('level')}(?: \[pid (?<pid>[^\]]*)\])?"
        r"(?: \[client (?<client>[^\]]*)\])? (?<message>.*)$",
    ),
    _regex("nginx", rf"^{_words('remote host')} {_access()}(?: {_VISITOR})", _CLF_TIME),
    _regex(
        "k8s-nginx-ingress",
        rf"^{_word('host')} - {_access()} {_VISITOR} {_words('request_length request_time')} "
        rf"\[{_word('proxy_upstream_name')}\] (?:\[{_word('proxy_alternative_upstream_name')}\] )?"
        rf"{_words('upstream_addr upstream_response_length upstream_response_time upstream_status reg_id')}.*$",
        _CLF_TIME,
    ),
    ParserSettings(place=PLACE, name="json", format="json", time_key="time", time_format=_CLF_TIME),
    ParserSettings(place=PLACE, name="logfmt", format="logfmt"),
    ParserSettings(
        place=PLACE, name="docker", format="json", time_key="time", time_format=_ISO_TIME, time_keep=True
    ),
    _regex(
        "docker-daemon",
        rf"time={_quoted('time', '[^ ]*')} level={_word('level')} msg={_quoted('msg', '[^ ].*')}",
        _ISO_TIME,
        keep=True,
    ),
    _regex(
        "syslog-rfc5424",
        r"^<(?<pri>[0-9]{1,5})>1 (?<time>[^ ]+) (?<host>[^ ]+) (?<ident>[^ ]+) (?<pid>[-0-9]+) (?<msgid>[^ ]+) "
        r"(?<extradata>\[.*?\]|-) (?<message>.+)$",
        _ISO_TIME_ZONE,
        keep=True,
    ),
    _regex("syslog-rfc3164-local", f"{_SYSLOG_HEAD} {_SYSLOG_TAG}", _SYSLOG_TIME, keep=True),
    _regex("syslog-rfc3164", f"{_SYSLOG_HEAD} {_word('host')} {_SYSLOG_TAG}", _SYSLOG_TIME, keep=True),
    _regex(
        "mongodb",
        r"^(?<time>[^ ]*)\s+(?<severity>\w)\s+(?<component>[^ ]+)\s+\[(?<context>[^\]]+)\]\s+"
        r"(?<message>.*?) *(?<ms>\d+)?(?::?ms)?$",
        _ISO_TIME,
        keep=True,
    ),
    _regex(
        "envoy",
        rf"{_ENVOY_REQUEST} {_words('code response_flags')} {_ENVOY_COUNTERS} {_quoted('x_forwarded_for', '[^ ]*')} "
        rf"{_quoted('user_agent')} {_quoted('request_id')} {_quoted('authority', '[^ ]*')} "
        rf"{_quoted('upstream_host', '[^ ]*')}",
        _ISO_TIME_ZONE,
        keep=True,
        key="start_time",
    ),
    _regex(
        "istio-envoy-proxy",
        rf"{_ENVOY_REQUEST} {_words('response_code response_flags response_code_details')} "
        rf"{_words('connection_termination_details upstream_transport_failure_reason')} {_ENVOY_COUNTERS} "
        rf"{_quoted('x_forwarded_for', '[^ ]*')} {_quoted('user_agent')} {_quoted('x_request_id')} "
        rf'{_word("authority")}" {_quoted("upstream_host", "[^ ]*")} {_words("upstream_cluster")} '
        rf"{_words('upstream_local_address downstream_local_address downstream_remote_address')} "
        rf"{_words('requested_server_name route_name')}",
        _ISO_TIME_ZONE,
        keep=True,
        key="start_time",
    ),
    _regex(
        "cri",
        r"^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$",
        _ISO_TIME_ZONE,
        keep=True,
    ),
    _regex(
        "kube-custom",
        rf"(?<tag>[^.]+)?\.?(?<pod_name>{_POD_NAME})_(?<namespace_name>[^_]+)_(?<container_name>.+)-"
        r"(?<docker_id>[a-z0-9]{64})\.log$",
    ),
    _regex("kmsg-netfilter-log", _NETFILTER, _ISO_TIME_ZONE),
)
