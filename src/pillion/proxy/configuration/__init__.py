"""`proxy.yaml`, with the place of everything that is wrong. Pure.

`load(text, file) -> Configuration` is the way in; it raises ConfigurationError (a ManifestError) with one line
`FILE:LINE: path.of.key: what is wrong; what to do` for each fault.
"""
