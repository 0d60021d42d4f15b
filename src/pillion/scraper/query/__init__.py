"""PromQL over the window: what people look with. Pure."""
