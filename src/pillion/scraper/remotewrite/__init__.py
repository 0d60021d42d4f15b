"""Remote write: encoding, queues, the write-ahead log, sending."""
