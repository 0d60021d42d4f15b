"""The road inside: filters by tag, routes to outputs, what is settled, retries, the ordered stop."""
