"""Tail: follows files as they grow and rotate, and loses none of their lines.

    discovery ──► Tail ──► Tailer (one per file) ──► splitting ──► shaping ──► Intake
    (globs)       │  ▲                                (lines)      (contents)     │
                  │  └─ watching (inotify), rotation                              │ settled
                  └──── checkpoint ◄──────── settling (longest settled prefix) ◄──┘

A file is its device, its inode and how its content begins (`identity`), never its name. A descriptor is kept until the
file is read to its end and nobody writes to it any more. An offset becomes a checkpoint when everything before it is
settled. What differs from Fluent Bit's in_tail is written beside the keys in `settings`.
"""
