"""The log collector: reads Fluent Bit's configuration, ships every line at least once.

The way of a line:

    inputs ──► records ──► filters ──► routes ──► buffer ──► outputs
    (tail, …)  (chunks)    (pure)      (by tag)   (bounded)  (acknowledge)
       ▲                                                        │
       └────────────── checkpoint, once settled ◄───────────────┘

It runs inside a container, on clusters too, and imports nothing of what runs Pods. It does not collect metrics (that is
`scraper`) and does not follow containers' own output (that is the node's `logs`).
"""
