"""Remote write: what was scraped, on its way to other servers.

    batch ──► write-ahead log ──► cursor ──► blocks ──► request ──► answer ──► verdict ──► position
              (one, bounded)      (one for each shard   encoded,              again,
                                   of a destination)    compressed            never, sent

Nothing waits in memory: a shard reads the log when it can send. Its position moves when the other side has answered,
so that an end at any moment loses nothing that was appended, and repeats one request at most.
"""
