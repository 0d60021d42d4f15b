"""Names of time zones as Fluent Bit's strptime knows them (src/flb_strptime.c, `flb_known_timezones`), in seconds east
of UTC. Where several zones share a name, this is the one it means."""

from __future__ import annotations

_HOURS = {
    -12.0: "Y", -11.0: "X", -10.0: "HST W", -9.0: "AKST HADT V", -8.0: "PST AKDT U", -7.0: "MST PDT T",
    -6.0: "CST MDT S", -5.0: "EST CDT R", -4.0: "EDT AST CLT Q", -3.5: "NST", -3.0: "ADT ART BRT CLST P",
    -2.5: "NDT", -2.0: "BRST O", -1.0: "N",
    0.0: "GMT UTC Z UT WET",
    1.0: "WEST CET WAT A", 2.0: "CEST EET CAT SAST B", 3.0: "EEST MSK EAT C", 4.0: "GST D", 5.0: "E", 5.5: "IST",
    5.75: "NPT", 6.0: "BDT F", 7.0: "ICT WIB G", 8.0: "AWST SGT WITA MYT H", 9.0: "JST KST WIT I", 9.5: "ACST",
    10.0: "AEST K", 10.5: "ACDT", 11.0: "AEDT L", 12.0: "NZST M", 13.0: "NZDT",
}  # fmt: skip

ZONES = {name: int(hours * 3600) for hours, names in _HOURS.items() for name in names.split()}
