"""What must not leave the Pod, and what stands in its place. Pure.

text ──suspects──► lines that may have something ──redactor──► the same without it
       (bytes)                                    (decoded)
"""
