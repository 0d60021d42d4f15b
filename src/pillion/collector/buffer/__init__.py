"""The buffer between inputs and outputs: bounded, in memory and on disk; retries."""
