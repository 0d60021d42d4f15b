"""Where the collector's outputs send to, on this machine: servers that enforce the documented limits and answers of the
services that they stand for, misbehave on demand, and keep what they accepted, so that it can be counted.

They check what the services' own documentation says; what it does not say they accept.
"""
