"""The collector's own HTTP port: health, readiness, metrics, status and reload, on Fluent Bit's paths where it has
them.

It shows what it is given (`view.View`) and knows nothing of how records travel.
"""
