"""The checks that card numbers and IBANs carry: most numbers that look like one are none."""

from __future__ import annotations

_CARD_LENGTHS = range(13, 20)


def is_card(digits: str) -> bool:
    """A length and a beginning of one of the networks, and Luhn's check digit (ISO/IEC 7812-1, annex B)."""
    return len(digits) in _CARD_LENGTHS and _of_a_network(digits) and _luhn(digits)


def _of_a_network(digits: str) -> bool:
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    return (
        (digits[0] == "4" and length in (13, 16, 19))  # Visa
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and length == 16)  # Mastercard
        or (two in (34, 37) and length == 15)  # American Express
        or (two in (30, 36, 38, 39) and length in (14, 16))  # Diners Club
        or ((two in (60, 62, 64, 65, 81) or 3528 <= four <= 3589) and length >= 16)  # Discover, UnionPay, JCB
        or (two in (50, 56, 57, 58, 61, 63, 67, 68, 69) and length >= 13)  # Maestro
    )


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(map(int, reversed(digits))):
        total += digit if index % 2 == 0 else (2 * digit - 9 if digit > 4 else 2 * digit)
    return total % 10 == 0


_IBANS = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18
FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24
SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
IBAN_LENGTHS = {each[:2]: int(each[2:]) for each in _IBANS.split()}
"""The IBAN registry (SWIFT, for ISO 13616), by country."""


def is_iban(text: str) -> bool:
    """`text` without separators: as long as its country's are, and 1 modulo 97."""
    if len(text) != IBAN_LENGTHS.get(text[:2]) or not text.isalnum() or not text.isascii():
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1
