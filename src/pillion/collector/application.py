"""One collector: from a configuration to running inputs and outputs; reload; stop."""
