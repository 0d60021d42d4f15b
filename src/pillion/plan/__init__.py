"""From a defaulted, validated Pod to plain values: its plan, its sandbox, each container just before its start.

Does not decide anything (order, restarts and probes are `lifecycle`) and does not touch the host.
"""
