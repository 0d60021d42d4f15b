"""One scraper: from a configuration to running targets; signals; reload; the end."""
