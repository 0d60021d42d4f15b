"""RE2's regular expressions: checked, and put into the syntax of Python's `re`.

Prometheus, Envoy and Kubernetes' own programs speak RE2. Does not match anything.
"""

from pillion.re2.translation import RegexpError, Translation, translate

__all__ = ["RegexpError", "Translation", "translate"]
