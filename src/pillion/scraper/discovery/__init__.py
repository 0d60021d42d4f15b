"""Where targets come from: static, files, HTTP."""
