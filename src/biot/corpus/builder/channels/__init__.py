"""Which channels of recordings become windows, in which unit, and which recordings go together."""
