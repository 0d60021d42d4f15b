"""A target's scrapes: when, how, and what becomes of a page."""
