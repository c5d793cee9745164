"""Making a corpus: recordings in, windows on disk out."""
