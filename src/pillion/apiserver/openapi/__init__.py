"""The API's description of itself, made from the models, for clients that validate, explain and merge.

Does not know requests: what it makes are documents.
"""
