"""From text to the value that a collector is built from, and what is said of what it cannot be."""

from __future__ import annotations

import pytest
from tests.unit.collector.configuration.house import (
    MAIN,
    YAML,
    HttpSettings,
    MemoryFiles,
    Plugins,
    StdoutSettings,
    TailSettings,
    read,
)

from pillion.collector.configuration import ConfigurationError, Place, load
from pillion.collector.configuration.document import Document, Property, Section, SectionKind
from pillion.collector.configuration.settings import Entry, TlsSettings

SMALL = """\
[INPUT]
    Name tail
    Path /var/log/*.log
[OUTPUT]
    Name stdout
"""
ALL = "[OUTPUT]\n    Name stdout\n    Match *\n"


def faults(text: str, **how: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text, **how)  # type: ignore[arg-type]
    return [line.removeprefix(f"{MAIN}:") for line in str(caught.value).splitlines()]


def test_the_smallest_configuration() -> None:
    configuration = read(SMALL)
    (tail,), (stdout,) = configuration.inputs, configuration.outputs
    assert (tail.plugin, tail.name, tail.place) == ("tail", "tail.0", Place(MAIN, 1))
    assert tail.settings == TailSettings(place=f"{MAIN}:1", path=("/var/log/*.log",), tag="tail.0")
    assert stdout.settings == StdoutSettings(place=f"{MAIN}:4", match="*")
    assert (configuration.file, configuration.folder) == (MAIN, "/etc/fb")
    assert configuration.warnings == ()


def test_every_kind_of_key() -> None:
    configuration = read("""\
[SERVICE]
    Flush           0.5
    Log_Level       WARNING
    HTTP_Server     On
    storage.path    /var/lib/x
    multiline_buffer_limit 1MB
[INPUT]
    NAME             TAIL
    Alias            logs
    Path             /a.log, /b.log
    Tag              kube.*
    Multiline.Parser docker, cri
    multiline.parser python
    Read_From_Head   yes
    Refresh_Interval 1m
    Buffer_Max_Size  64k
    Ignore_Older     1d
    Mem_Buf_Limit    5MB
    storage.type     filesystem
[FILTER]
    Name      modify
    Match     kube.*
    Condition Key_value_equals a "b c"
    Condition Key_exists x
    Rename    a b
    Set       k 'two words'
    Remove    c
[OUTPUT]
    Name                stdout
    Match_Regex         ^kube
    Format              JSON_LINES
    Share               .25
    Retry_Limit         False
[OUTPUT]
    Name                http
    Match               *
    Host                logs.example
    tls                 on
    tls.ca_file         /ca.pem
    net.connect_timeout 3s
""")
    service = configuration.service
    assert (service.flush, service.log_level, service.http_server) == (0.5, "warning", True)
    assert (service.storage_path, service.multiline_buffer_limit) == ("/var/lib/x", 1 << 20)
    assert configuration.inputs[0].name == "logs"
    assert configuration.inputs[0].settings == TailSettings(
        place=f"{MAIN}:7",
        alias="logs",
        path=("/a.log", "/b.log"),
        tag="kube.*",
        multiline_parser=("docker", "cri", "python"),
        read_from_head=True,
        refresh_interval=60.0,
        buffer_max_size=64_000,
        ignore_older=86_400.0,
        mem_buf_limit=5_000_000,
        storage_type="filesystem",
    )
    modify = configuration.filters[0]
    assert modify.settings.condition == (("Key_value_equals", "a", "b c"), ("Key_exists", "x"))  # type: ignore[attr-defined]
    assert modify.settings.operations == (  # type: ignore[attr-defined]
        Entry(key="rename", words=("a", "b"), place=f"{MAIN}:25", text="a b"),
        Entry(key="set", words=("k", "two words"), place=f"{MAIN}:26", text="k 'two words'"),
        Entry(key="remove", words=("c",), place=f"{MAIN}:27", text="c"),
    )
    stdout, http = configuration.outputs
    assert (stdout.name, http.name) == ("stdout.0", "http.1")
    assert stdout.settings == StdoutSettings(
        place=f"{MAIN}:28", match_regex="^kube", format="json_lines", ratio=0.25, retry_limit="False"
    )
    assert isinstance(http.settings, HttpSettings)
    assert http.settings.net.connect_timeout == 3.0
    assert http.settings.tls == TlsSettings(on=True, ca_file="/ca.pem", verify=False)


def test_yaml_says_the_same_as_the_classic_format() -> None:
    text = """\
pipeline:
  inputs:
    - name: tail
      path: [/a.log, "/b.log,/c.log"]
      multiline.parser: [docker, cri]
  filters:
    - name: modify
      match: '*'
      set: [a b, c d]
      remove: e
  outputs:
    - name: stdout
"""
    configuration = read(text, path=YAML)
    tail = configuration.inputs[0].settings
    assert isinstance(tail, TailSettings)
    assert tail.path == ("/a.log", "/b.log", "/c.log")
    assert tail.multiline_parser == ("docker", "cri")
    operations = configuration.filters[0].settings.operations  # type: ignore[attr-defined]
    assert [(entry.key, entry.words) for entry in operations] == [
        ("set", ("a", "b")),
        ("set", ("c", "d")),
        ("remove", ("e",)),
    ]


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_lines() -> None:
    text = """\
[SERVICE]
    Flush       soon
    Log_Levle   info
    Plugins_File x.conf
    Daemon      on
[INPUT]
    Name        tail
    Paht        /a
    Path        /a
    Path        /b
    Docker_Mode on
    Parser      jsn
[FILTER]
    Name        lua
[FILTER]
    Name        gerp
[FILTER]
    Match       *
[OUTPUT]
    Name        stdout
    Format      json_line
    Retry       1
[CUSTOM]
    Name        x
"""
    assert faults(text) == [
        "1: [SERVICE]: daemon: a container's main process stays in the foreground; remove it",
        "2: [SERVICE]: flush: must be a time: a number of seconds, or with s, m, h or d behind it",
        "3: [SERVICE]: log_levle: there is no such key; did you mean log_level?",
        "4: [SERVICE]: plugins_file: shared libraries cannot be loaded; the python filter takes a function of yours",
        "6: [INPUT] tail: parser: there is no parser 'jsn'",
        "8: [INPUT] tail: paht: there is no such key; did you mean path?",
        "11: [INPUT] tail: docker_mode: use multiline.parser docker",
        "14: [FILTER]: Fluent Bit's filter lua is not supported: the python filter takes a function of yours",
        "16: [FILTER]: there is no filter 'gerp'; there are modify, rewrite_tag",
        "17: [FILTER]: name is missing",
        "21: [OUTPUT] stdout: format: 'json_line' is not one of msgpack, json_lines; did you mean json_lines?",
        "22: [OUTPUT] stdout: retry: there is no such key; did you mean retry_limit?",
        "23: [CUSTOM]: custom plugins are not supported",
    ]


def test_lenient_reading_passes_over_what_it_can_and_says_so() -> None:
    text = SMALL.replace("Path", "Paht x\n    Refresh_Interval soon\n    Parser gone\n    Path")
    text += "[FILTER]\n    Name lua\n"
    configuration = read(text, lenient=True)
    assert configuration.inputs[0].settings == TailSettings(
        place=f"{MAIN}:1", path=("/var/log/*.log",), tag="tail.0"
    )
    assert configuration.filters == ()
    assert len(configuration.warnings) == 4
    assert all(warning.startswith(f"{MAIN}:") for warning in configuration.warnings)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[INPUT]\n    Name tail\n", "1: [INPUT] tail: path is missing"),
        (f"{SMALL}    Ratio 2\n", "4: [OUTPUT] stdout: ratio: must be at most 1"),
    ],
)
def test_what_nothing_can_be_made_of_stays_an_error(text: str, fault: str) -> None:
    assert faults(text, lenient=True) == faults(text) == [fault]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", " there is no [INPUT]: nothing to do"),
        ("[SERVICE]\n    Flush 0\n", "1: [SERVICE]: flush: must be more than 0"),
        (
            f"{SMALL}    Ratio .1\n    Share .2\n",
            "7: [OUTPUT] stdout: ratio: stands 2 times, Fluent Bit refuses that",
        ),
        (f"{SMALL}    Log_Level loud\n", "6: [OUTPUT] stdout: log_level: must be one of off, error"),
        (f"[PARSER]\n    Name x\n    Format json\n{SMALL}", "1: [PARSER]: belongs into a file of its own"),
        (
            f"[SERVICE]\n    Parsers_File my.conf\n{SMALL}",
            "2: [SERVICE]: parsers_file: my.conf does not exist",
        ),
        (
            SMALL.replace("Path", "Parser json\n    Path"),
            "1: [INPUT] tail: parser: there is no parser 'json'; it is one of the standard",
        ),
        (
            SMALL.replace("Path", "multiline.parser pyhton\n    Path"),
            "1: [INPUT] tail: multiline.parser: there is no multiline parser 'pyhton'; did you mean python?",
        ),
        (SMALL.replace("tail", "s3"), "2: [INPUT]: there is no input 's3'; there are forward, tail"),
        (
            SMALL.replace("stdout", "s3"),
            "5: [OUTPUT]: Fluent Bit's output s3 is not supported; there are http, stdout",
        ),
    ],
)
def test_single_faults(text: str, fault: str) -> None:
    assert faults(text)[0].startswith(fault)


@pytest.mark.parametrize("name", ["json", "Python", "DOCKER, cri"])
def test_multiline_parsers_are_named_in_any_case(name: str) -> None:
    assert read(SMALL.replace("Path", f"multiline.parser {name}\n    Path")).inputs


def test_what_is_not_supported_of_a_yaml_pipeline_is_refused_with_a_reason() -> None:
    text = """\
pipeline:
  inputs:
    - name: tail
      path: /a
      routes:
        logs: [a]
  outputs:
    - name: stdout
      processors:
        logs:
          - name: grep
            regex: log aa
"""
    with pytest.raises(ConfigurationError) as caught:
        read(text, path=YAML)
    assert str(caught.value).splitlines() == [
        f"{YAML}:6: [INPUT] tail: routes: routes are not supported: route by tag, and with rewrite_tag by content",
        f"{YAML}:10: [OUTPUT] stdout: processors: processors of an output are not supported: write them as filters",
    ]


def test_processors_of_an_input_are_filters_of_its_records_alone() -> None:
    text = """\
pipeline:
  inputs:
    - name: tail
      path: /a
    - name: tail
      path: /b
      alias: second
      processors:
        logs:
          - name: modify
            set: a 1
          - name: modify
            alias: mine
  filters:
    - name: modify
      match: x
  outputs:
    - name: stdout
      match: '*'
"""
    filters = read(text, path=YAML).filters
    assert [(each.name, each.input) for each in filters] == [
        ("second.modify.0", "second"), ("mine", "second"), ("modify.0", ""),
    ]  # fmt: skip


def test_a_processor_that_is_none_of_ours_is_named_with_its_line() -> None:
    text = """\
pipeline:
  inputs:
    - name: tail
      path: /a
      processors:
        metrics:
          - name: labels
        logs:
          - name: content_modifier
            action: upsert
  outputs:
    - name: stdout
"""
    with pytest.raises(ConfigurationError) as caught:
        read(text, path=YAML)
    said = str(caught.value).splitlines()
    assert said[0] == f"{YAML}:6: processors: metrics: there are logs only"
    assert said[1].startswith(f"{YAML}:9: [FILTER]: Fluent Bit's filter content_modifier is not supported")


# ── what is put together ─────────────────────────────────────────────────────────────────────────────────────────────
def test_variables_are_replaced_and_an_empty_value_counts_as_absent() -> None:
    text = f"@SET LEVEL=debug\n@SET FOLDER=/x\n{SMALL}    Log_Level ${{LEVEL}}\n    Format ${{FORMAT}}\n"
    text = text.replace("/var/log", "${FOLDER}/${SUB}")
    configuration = read(text, environment={"SUB": "y"})
    assert isinstance(configuration.inputs[0].settings, TailSettings)
    assert configuration.inputs[0].settings.path == ("/x/y/*.log",)
    assert configuration.outputs[0].settings == StdoutSettings(
        place=f"{MAIN}:6", match="*", log_level="debug"
    )
    assert configuration.warnings == (
        f"{MAIN}:9: [OUTPUT] stdout: format: ${{FORMAT}} is not set: nothing is put in its place",
    )


def test_the_last_word_of_several_services_counts() -> None:
    configuration = read(f"[SERVICE]\n    Flush 1\n    Grace 3\n{SMALL}[SERVICE]\n    Flush 2\n")
    assert (configuration.service.flush, configuration.service.grace) == (2.0, 3.0)


def test_the_environment_has_the_last_word_on_the_log_level() -> None:
    text = f"[SERVICE]\n    Log_Level info\n{SMALL}"
    assert read(text, environment={"FLB_LOG_LEVEL": "debug"}).service.log_level == "debug"
    assert read(text, environment={"FLB_LOG_LEVEL": "nonsense"}).service.log_level == "info"


def test_what_the_command_line_says_stands_before_the_file() -> None:
    place = Place("command line")
    tail = (Property("name", "tail", place), Property("path", "/a", place))
    sections = (
        Section(kind=SectionKind.SERVICE, properties=(Property("flush", "9", place),), place=place),
        Section(kind=SectionKind.INPUT, properties=tail, place=place),
    )
    files = MemoryFiles({MAIN: f"[SERVICE]\n    Flush 2\n{SMALL}    Match *\n"})
    command_line = Document(sections=sections)
    configuration = load(MAIN, files, {}, plugins=Plugins(), command_line=command_line)
    assert configuration.service.flush == 2.0
    assert [section.name for section in configuration.inputs] == ["tail.0", "tail.1"]
    alone = load("", files, {}, plugins=Plugins(), command_line=command_line, lenient=True)
    assert (alone.service.flush, alone.file, alone.outputs) == (9.0, "", ())


def test_a_filter_without_a_match_is_left_out_and_the_numbers_go_on() -> None:
    text = f"{SMALL}[FILTER]\n    Name modify\n[FILTER]\n    Name modify\n    Match *\n"
    configuration = read(text)
    assert [section.name for section in configuration.filters] == ["modify.1"]
    assert configuration.warnings == (
        f"{MAIN}:6: [FILTER] modify: left out: it has no match, so no record would reach it",
    )


def test_an_output_without_a_match_is_left_out_when_it_is_not_alone() -> None:
    configuration = read(f"{SMALL}[OUTPUT]\n    Name http\n    Match *\n")
    assert [section.name for section in configuration.outputs] == ["http.1"]


def test_a_sender_chooses_the_tag_of_forward() -> None:
    assert read("[INPUT]\n    Name forward\n[OUTPUT]\n    Name stdout\n").inputs[0].settings.tag == ""


def test_inputs_inherit_the_storage_of_the_service() -> None:
    text = f"[SERVICE]\n    storage.type filesystem\n    storage.inherit on\n{SMALL}"
    assert read(text).inputs[0].settings.storage_type == "filesystem"
    own = text.replace("Path", "storage.type memory\n    Path")
    assert read(own).inputs[0].settings.storage_type == "memory"


# ── routes ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("tag", "rest", "warning"),
    [
        ("app", "[OUTPUT]\n    Name stdout\n    Match app\n", ""),
        ("app.*", "[OUTPUT]\n    Name stdout\n    Match app.var.log*\n", ""),
        ("app", "[OUTPUT]\n    Name stdout\n    Match_Regex ^ap\n", ""),
        (
            "app",
            "[OUTPUT]\n    Name stdout\n    Match apple\n",
            "no output takes app: its records would be dropped",
        ),
        ("app", "[OUTPUT]\n    Name stdout\n    Match_Regex ^b\n", "no output takes app"),
        ("app", f"{ALL}[OUTPUT]\n    Name http\n    Match b\n", "b meets the tag of no input"),
        ("app", f"{ALL}[FILTER]\n    Name modify\n    Match b*\n", "b* meets the tag of no input"),
        (
            "app",
            f"{ALL}[FILTER]\n    Name rewrite_tag\n    Match *\n    Rule r\n[OUTPUT]\n    Name http\n    Match x\n",
            "",
        ),
    ],
)
def test_dead_ends_are_warned_of(tag: str, rest: str, warning: str) -> None:
    configuration = read(f"[INPUT]\n    Name tail\n    Path /a\n    Tag {tag}\n{rest}")
    if not warning:
        assert configuration.warnings == ()
    else:
        assert any(warning in said for said in configuration.warnings)


# ── differences ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_differences_are_those_of_the_keys_that_are_not_written() -> None:
    same = ("Grace 5", "Flush 1", "scheduler.base 5", "scheduler.cap 9", "storage.keep.rejected on")
    text = "".join(("[SERVICE]\n", *(f"    {line}\n" for line in same), SMALL))
    text = text.replace("Path", "Threaded on\n    Path")
    said = [(found.subject, found.ours, found.fluent_bit) for found in read(text).differences]
    assert said == [
        ("[INPUT] tail: mem_buf_limit", "8M", "no limit"),
        ("[INPUT] tail: buffer_max_size", "1M", "32k"),
        ("[INPUT] tail: rotation", "to the end", "five seconds"),
        ("[INPUT] tail: threaded", "without effect", "has an effect"),
        ("[OUTPUT] stdout: retry_limit", "no_limits", "1"),
    ]
    written = text.replace("Path", "Buffer_Max_Size 1\n    Path")
    assert "[INPUT] tail: buffer_max_size" not in [found.subject for found in read(written).differences]


def test_what_to_do_at_a_limit_matters_when_there_is_one() -> None:
    subject = "[OUTPUT] stdout: storage.overflow"
    assert subject not in [found.subject for found in read(SMALL).differences]
    limited = read(f"{SMALL}    storage.total_limit_size 1G\n")
    assert subject in [found.subject for found in limited.differences]


def test_differences_about_tls_matter_when_there_is_tls() -> None:
    text = f"{SMALL.replace('stdout', 'http')}    tls "
    subject = "[OUTPUT] http: tls.verify_hostname"
    assert subject in [found.subject for found in read(f"{text}on\n").differences]
    assert subject not in [found.subject for found in read(f"{text}off\n").differences]
