"""Where targets come from: static groups, files, an HTTP server. What cannot be read leaves the last good groups.

`meta` is pure.
"""

from pillion.scraper.discovery.counters import DiscoveryCounters
from pillion.scraper.discovery.discovery import Discovery, Surroundings

__all__ = ["Discovery", "DiscoveryCounters", "Surroundings"]
