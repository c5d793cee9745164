"""One file a format: what each kind of recording holds."""
