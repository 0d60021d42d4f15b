"""The API's description of itself, made from the models, for clients that validate, explain and merge.

Does not know requests: what it makes are documents.
"""

from pillion.apiserver.openapi.documents import Document, OpenApi

__all__ = ["Document", "OpenApi"]
