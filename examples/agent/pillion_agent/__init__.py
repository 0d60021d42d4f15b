"""A sentiment agent: what an agent with sidecars looks like when its own code stays free of operations."""
