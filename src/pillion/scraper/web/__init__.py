"""The scraper's HTTP port: Prometheus' API, federation, one page."""
