"""The metrics scraper: reads Prometheus' configuration, scrapes, keeps a bounded window, forwards by remote write.

The way of a sample:

    configuration ─► discovery ─► relabel ─► targets ─► scrape ─► exposition ─► metric relabel ─► batch
                                                                                                  │
                                              query ◄── window (in memory, bounded) ◄─────────────┤
                                              remote write ◄── write-ahead log (bounded) ◄────────┘

A scrape is a column: the series of a page hardly ever change, their values do. So a `Batch` is a `SeriesSet`, which is
worked out once and then only compared, and one array of values. It does not evaluate rules, alert, or store for long.
"""
