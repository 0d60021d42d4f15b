"""Certificates that are issued: a root, an intermediate below it, and leafs of hours with SPIFFE IDs."""
