"""How well events are found: event scores, sample scores, and what nights of sleep amount to."""

__all__: list[str] = []
