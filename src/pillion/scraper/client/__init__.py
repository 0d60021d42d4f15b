"""How the scraper speaks HTTP to somebody, from threads: what a section of HttpClient keys amounts to."""

from pillion.scraper.client.client import AGENT, Address, Client, parse_url, without_user

__all__ = ["AGENT", "Address", "Client", "parse_url", "without_user"]
