"""The controllers: each keeps one promise about the objects, whoever changes them: it looks again when they change."""
