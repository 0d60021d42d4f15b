from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.filter_lab import TIME, Lab, bodies_of, decoded_records, plain_lines, text_records

from pillion.collector.configuration import ConfigurationError
from pillion.collector.filters.redaction.checksums import IBAN_LENGTHS, is_card, is_iban
from pillion.collector.records import Texts

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----"
A36 = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6"


def found(text: str, kind: str, keys: str = "") -> str:
    """`text` with what was found of `kind` in brackets."""
    lab = Lab("redact", f"Types {kind}\nGenai keep\n{keys}")
    bodies = lab.bodies({"m": text})
    assert lab.bodies({"deep": [{"m": text}]}) == [{"deep": [{"m": bodies[0]["m"]}]}]
    if "\n" not in text:
        assert lab.lines(text) == [{"log": bodies[0]["m"]}]
    redacted: str = bodies[0]["m"]
    return redacted.replace(f"[redacted:{kind}]", "[]")


TRUE = [
    ("email", "mail anna@example.com now", "mail [] now"),
    ("email", "<a.b+c_d%e@sub.example.co.uk>", "<[]>"),
    ("email", "to=anna@example.com,berta@example.org;", "to=[],[];"),
    ("email", "mailto:ANNA@EXAMPLE.COM.", "mailto:[]."),
    ("email", "jürgen@müller.de", "[]"),
    ("email", "x" * 100 + "@example.com", "[]"),
    ("phone", "call +49 170 1234567 now", "call [] now"),
    ("phone", "+1 (555) 234-5678", "[]"),
    ("phone", "tel:+4930123456,", "tel:[],"),
    ("phone", "+44 20 7946 0958", "[]"),
    ("phone", "(212) 555-0187 or 212-555-0187 or 212.555.0187", "[] or [] or []"),
    ("phone", "1-212-555-0187", "[]"),
    ("phone", "01 23 45 67 89", "[]"),
    ("phone", "Tel 030 12345678", "Tel []"),
    ("phone", "0171/1234567", "[]"),
    ("phone", "020 7946 0958", "[]"),
    ("card", "pay 4111 1111 1111 1111 ok", "pay [] ok"),
    ("card", "card:4111111111111111", "card:[]"),
    ("card", "5500-0000-0000-0004,", "[],"),
    ("card", "3782 822463 10005", "[]"),
    ("card", "6011111111111117 5105105105105100", "[] []"),
    ("card", "4111 1111 1111 1111 2027", "[] 2027"),
    ("card", "4111 1111 1111 1111 5500 0000 0000 0004", "[] []"),
    ("card", "3566002020360505", "[]"),
    ("card", "order_4111111111111111", "order_[]"),
    ("iban", "DE89 3704 0044 0532 0130 00 please", "[] please"),
    ("iban", "GB82WEST12345698765432", "[]"),
    ("iban", "to FR14 2004 1010 0505 0001 3M02 606 and NO93 8601 1117 947.", "to [] and []."),
    ("ip", "from 203.0.113.9:443 to 10.0.0.1", "from []:443 to []"),
    ("ip", '"203.0.113.9"', '"[]"'),
    ("ip", "net 192.168.0.0/16", "net []/16"),
    ("ip", "peer 2001:db8::8a2e:370:7334 up", "peer [] up"),
    ("ip", "[fe80::1%eth0]:80", "[[]%eth0]:80"),
    ("ip", "2001:0db8:0000:0000:0000:ff00:0042:8329", "[]"),
    ("ip", "::ffff:192.0.2.128", "[]"),
    ("token", "id AKIAIOSFODNN7EXAMPLE.", "id []."),
    ("token", f"ghp_{A36}", "[]"),
    ("token", "github_pat_11ABCDEFG0abcdefghijkl_mnop", "[]"),
    ("token", "key sk-proj-abcDEF123456_7890-abcdefg", "key []"),
    ("token", "sk-ant-api03-abcdefghijklmnopqrstuvwx-AA", "[]"),
    ("token", "xoxb-123456789012-abcdefghijkl", "[]"),
    ("token", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "[]"),
    ("token", "glpat-abcdefghij0123456789", "[]"),
    ("token", f"npm_{A36}", "[]"),
    ("token", "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc", "[]"),
    ("token", f"jwt={JWT}", "jwt=[]"),
    ("token", f"Authorization: Bearer {A36}", "Authorization: Bearer []"),
    ("token", "authorization: basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "authorization: basic []"),
    ("token", f"a {PEM} b", "a [] b"),
    ("token", "-----BEGIN PRIVATE KEY-----\nMIIE", "[]"),
    ("token", "https://anna:hunter2@example.com/x", "https://[]@example.com/x"),
    ("token", "postgres://u:p%40ss@db:5432/x", "postgres://[]@db:5432/x"),
    ("secret", "password=hunter2", "password=[]"),
    ("secret", "DB_PASSWORD: 'hunter2'", "DB_PASSWORD: '[]'"),
    ("secret", '{password: "correct horse"}', '{password: "[]"}'),
    ("secret", "user=anna&pwd=x&y=1", "user=anna&pwd=[]&y=1"),
    ("secret", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=[]"),
    ("secret", "x-api-key: abc123def456ghi", "x-api-key: []"),
    ("secret", "access_token=abcdefgh", "access_token=[]"),
    ("secret", "client_secret => 's3cr3t!'", "client_secret => '[]'"),
    ("secret", "password: hunter2", "password: []"),
    ("secret", "apiKey=0a1b2c3d4e", "apiKey=[]"),
    ("secret", "Cookie: session=abcdef", "Cookie: []"),
]
"""kind, text, and what is left of it."""


@pytest.mark.parametrize(("kind", "text", "expected"), TRUE)
def test_what_must_not_leave_is_found(kind: str, text: str, expected: str) -> None:
    assert found(text, kind) == expected


FALSE = [
    ("email", "user@localhost"), ("email", "@example.com"), ("email", "a @ b.com"), ("email", "npm i x@1.2.3"),
    ("email", "git@@github"), ("email", "5@ 3.com"),
    ("phone", "2026-01-09T23:06:40.123456+02:00"), ("phone", "12345678901234567890"), ("phone", "+12"),
    ("phone", "1.234.567.890"), ("phone", "id 123-456"), ("phone", "2026-01-09 12:00:00,123"),
    ("phone", "f47ac10b-58cc-4372-a567-0e02b2c3d479"), ("phone", "0.123 0.456"), ("phone", "a+1234567"),
    ("phone", "lines 100-200 of 3000"), ("phone", "took 0123 ms"), ("phone", "04/05/2026"),
    ("card", "4111 1111 1111 1112"), ("card", "1700000000123"), ("card", "1700000000123456789"),
    ("card", "9111111111111111"), ("card", "41111111111111111111111"), ("card", "a4111111111111111"),
    ("card", "0.4111111111111111"), ("card", "2026-01-09 4111-1111"),
    ("iban", "DE89 3704 0044 0532 0130 01"), ("iban", "XX89370400440532013000"), ("iban", "ABCD1234EFGH5678"),
    ("ip", "version 1.2.3"), ("ip", "v1.2.3.4"), ("ip", "1.2.3.4.5"), ("ip", "256.1.1.1"), ("ip", "127.0.0.1"),
    ("ip", "0.0.0.0:80"), ("ip", "::1"), ("ip", "at 12:34:56"), ("ip", "00:1b:44:11:3a:b7"), ("ip", "std::vector"),
    ("ip", "Fad::Bed"), ("ip", "a::b::c"), ("ip", "1:2"),
    ("token", "task-abcdefghijklmnopqrstuvwxyz"), ("token", "risk-free-investment-opportunity"),
    ("token", "AKIA"), ("token", "eyJ.a.b"), ("token", "https://example.com:8080/a@b"),
    ("token", "basic authentication failed"), ("token", "Bearer token missing"), ("token", "bearer authentication"),
    ("token", "f47ac10b-58cc-4372-a567-0e02b2c3d479"), ("token", "SG.short"), ("token", "ghp_short"),
    ("secret", "input_tokens: 5"), ("secret", "tokens=128"), ("secret", "token: expired"), ("secret", "max_token=128"),
    ("secret", "password: required"), ("secret", "the password was wrong"), ("secret", "password="),
    ("secret", "password=********"), ("secret", "token=null"), ("secret", "secretary: Anna"),
    ("secret", "key: value"), ("secret", "monkey=banana-split"), ("secret", "compass: north"),
    ("secret", "password=${PASSWORD}"), ("secret", "passengers: 12"),
    ("secret", "Authorization: Bearer"), ("secret", "password: incorrect"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), FALSE)
def test_what_only_looks_like_it_stays(kind: str, text: str) -> None:
    assert found(text, kind) == text


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("password", True), ("db_password", True), ("dbPassword", True), ("PASSWD", True), ("X-Api-Key", True),
        ("apiKey", True), ("accessToken", True), ("client_secret", True), ("Authorization", True), ("cookie", True),
        ("set-cookie", True), ("aws.secret_access_key", True), ("token", True), ("refresh_token", True),
        ("tokens", False), ("max_tokens", False), ("token_count", False), ("password_hint", False), ("key", False),
        ("author", False), ("secrets_found", False), ("monkey", False), ("keyboard", False),
    ],
)  # fmt: skip
def test_texts_in_fields_that_are_called_like_secrets_are_secrets(name: str, is_secret: bool) -> None:
    expected = "[redacted:secret]" if is_secret else "x"
    assert Lab("redact").body({"in": [{name: "x", "n": 1}]}) == {"in": [{name: expected, "n": 1}]}
    assert Lab("redact").body({name: 5}) == {name: 5}
    assert Lab("redact").body({name: ""}) == {name: ""}


def test_a_number_that_is_a_card_s_is_found() -> None:
    assert Lab("redact").bodies({"n": 4111111111111111}, {"n": 4111111111111112}) == [
        {"n": "[redacted:card]"},
        {"n": 4111111111111112},
    ]


@pytest.mark.parametrize(
    "line",
    [
        rb'{"m":"anna\u0040example.com"}',
        rb'{"m":"\u0061nna@example.com"}',
        rb'{"m":"anna@example\u002ecom"}',
        rb'{"pass\u0077ord":"anna@example.com","m":"x"}',
        rb'{"m":"{\"to\":\"anna@example.com\"}"}',
        rb'{"m":"{\"to\":\"anna\\u0040example.com\"}"}',
        rb'{"m":"[{\"to\":\"\\u0061\\u006ena\\u0040example.com\"}]"}',
        rb'{"m":"{\"m\":\"{\\\"to\\\":\\\"anna\\\\u0040example.com\\\"}\"}"}',
        rb'{"m":"anna@example.com","m":"x"}',
        rb'{"m":"{\"a\":\"anna@example.com\",\"a\":1}"}',
        rb'{"anna@example.com":1}',
        b'{"m" : "x\\nanna@example.com"}',
    ],
)
def test_no_escape_and_no_second_name_hides_anything(line: bytes) -> None:
    content = Lab("redact").put(Texts(data=line + b"\n", times=TIME)).content
    assert isinstance(content, Texts)
    assert b"example" not in json.dumps(json.loads(content.data)).encode()
    assert b"nna" not in content.data
    (as_line,) = Lab("redact").lines(line.decode())
    assert "example" not in as_line["log"].encode().decode("unicode_escape")


def test_json_in_a_line_stays_as_it_is_when_there_is_nothing_in_it() -> None:
    text = '{"a": 1.0,  "b": "x@y"}'
    assert Lab("redact").lines(text) == [{"log": text}]


GENAI = {
    "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5, "gen_ai.input.messages": [{"role": "user"}],
    "gen_ai.output.messages": "x", "gen_ai.system_instructions": "x", "gen_ai.tool.definitions": [],
    "gen_ai.prompt.0.content": "x",
}  # fmt: skip
KEPT = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GENAI, KEPT),
        ({"attributes": GENAI}, {"attributes": KEPT}),
        ({"gen_ai": {"input": {"messages": [1]}, "a": 1}}, {"gen_ai": {"input": {}, "a": 1}}),
        ({"gen_ai": {"output.messages": 1, "x": 2}}, {"gen_ai": {"x": 2}}),
        ({"a": [{"key": "gen_ai.input.messages", "value": {"x": "y"}}, {"key": "a"}]}, {"a": [{"key": "a"}]}),
        ({"message": json.dumps(GENAI)}, {"message": json.dumps(KEPT, separators=(",", ":"))}),
    ],
)  # fmt: skip
def test_what_people_and_models_said_is_dropped(body: dict[str, Any], expected: dict[str, Any]) -> None:
    lab = Lab("redact")
    assert lab.body(body) == expected
    assert lab.status.found["gen_ai"] > 0
    assert Lab("redact", "Genai keep").body(body) == body


def test_fields_are_replaced_and_left_alone_by_name() -> None:
    lab = Lab("redact", "Types email\nKeys Prompt, user id\nIgnore_keys contact")
    body = {"prompt": {"a": 1}, "in": {"User ID": 7, "contact": "a@example.com", "x": "a@example.com"}}
    assert lab.body(body) == {
        "prompt": "[redacted:key]",
        "in": {"User ID": "[redacted:key]", "contact": "a@example.com", "x": "[redacted:email]"},
    }


def test_what_is_allowed_is_left_alone() -> None:
    lab = Lab("redact", "Allow .*@example\\.com\nAllow 10\\..*")
    assert lab.body({"m": "a@example.com b@example.org 10.0.0.1 192.0.2.1"}) == {
        "m": "a@example.com [redacted:email] 10.0.0.1 [redacted:ip]"
    }


def test_one_may_look_for_something_of_one_s_own() -> None:
    lab = Lab("redact", "Types none\nPattern customer C-[0-9]{4}")
    assert lab.body({"m": "C-1234 a@example.com", "n": ["C-12"]}) == {
        "m": "[redacted:customer] a@example.com",
        "n": ["C-12"],
    }


def test_a_hash_tells_one_value_from_another_and_needs_its_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    keys = "Action hash\nHash_Key_File key"
    bodies = Lab("redact", keys, folder=tmp_path).bodies(
        {"m": "a@example.com"}, {"m": "A@Example.com"}, {"m": "b@example.com"},
        {"m": "4111 1111 1111 1111"}, {"m": "4111-1111-1111-1111"},
    )  # fmt: skip
    one, same, other, card, same_card = (body["m"] for body in bodies)
    assert re.fullmatch(r"\[redacted:email:[0-9a-f]{16}\]", one)
    assert one == same != other
    assert card == same_card
    (tmp_path / "key").write_text("another key of 16")
    assert Lab("redact", keys, folder=tmp_path).body({"m": "a@example.com"})["m"] != one
    assert Lab("redact", "Action hash\nHash_Key 0123456789abcdef").body({"m": "a@example.com"})["m"] == one


def test_what_was_found_is_counted_by_kind() -> None:
    lab = Lab("redact")
    lab.put(plain_lines("a@example.com b@example.com", "203.0.113.9", "clean"))
    assert lab.status.found == {"email": 2, "ip": 1}


def test_what_is_clean_is_not_touched() -> None:
    lab = Lab("redact")
    for content in (
        plain_lines("GET /index.html 200", ""),
        text_records({"time": "2026-01-09T23:06:40.123Z", "level": "info", "n": 5, "msg": "all is well"}),
    ):
        assert lab.put(content).content is content
    chunk = Texts(data=b'{ "a" : 1.0 }\n{"b":"a@example.com"}\n{ "c" : 2 }\n', times=TIME)
    redacted = lab.put(chunk).content
    assert isinstance(redacted, Texts)
    assert redacted.data == b'{ "a" : 1.0 }\n{"b":"[redacted:email]"}\n{ "c" : 2 }\n'


def test_bytes_that_hold_something_become_text() -> None:
    lab = Lab("redact")
    filtered = lab.put(decoded_records({"a": b"a@example.com", "b": b"\xff\x00"}))
    assert bodies_of(filtered.content) == [{"a": "[redacted:email]", "b": b"\xff\x00"}]


def test_redacting_twice_changes_nothing_more() -> None:
    text = " ".join(text for _, text, _ in TRUE)
    (once,) = Lab("redact").bodies({"m": text, "password": "x"})
    assert Lab("redact").body(once) == once


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000, "1" * 200_000, "a." * 100_000, "1.1." * 50_000, "1 " * 100_000, ":" * 200_000, "::" * 50_000,
        "a@" * 100_000, "@" * 200_000, "a@a." * 50_000, "eyJ" * 60_000, "eyJaaaaaaaa." * 20_000, "+1" * 100_000,
        "-----BEGIN PRIVATE KEY-----" * 8_000, "password" * 25_000, "password:" * 20_000, "://" * 60_000,
        "://a:" * 40_000, "AA00" * 50_000, "sk-" * 60_000, "bearer " * 30_000, "key=" * 50_000, "{" * 200_000,
        "[" * 200_000, "(212) " * 30_000, "0123/" * 40_000, "token'" * 30_000, "xoxb-" * 40_000, "4" * 19 + " " * 9,
    ],
)  # fmt: skip
def test_no_text_takes_much_longer_than_another(text: str) -> None:
    """Whatever grows with the square of the length would take minutes here."""
    Lab("redact").lines(text)


def test_checksums_are_what_their_standards_say() -> None:
    assert is_card("4222222222222")
    assert not is_card("4222222222223")
    assert is_iban("DE89370400440532013000")
    assert not is_iban("DE89370400440532013001")
    assert len(IBAN_LENGTHS) > 75


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("Types mail", "did you mean email"),
        ("Action hash", "hash_key is missing"),
        ("Action hash\nHash_Key short", "fewer than 16 bytes"),
        ("Action hash\nHash_Key_File none", "cannot read"),
        ("Pattern customer", "wants a name and a pattern"),
        ("Pattern customer (", "cannot be used"),
        ("Allow (", "cannot be used"),
    ],
)
def test_what_is_wrong_is_said(keys: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(complaint)) as caught:
        Lab("redact", keys)
    assert "short" not in str(caught.value)
