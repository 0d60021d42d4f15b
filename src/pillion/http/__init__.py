"""HTTP as sidecars need it: requests from threads, which end when they have to, and a small server on the loop.

Does not know what is sent: bodies are made, and answers judged, by those who use it.
"""
