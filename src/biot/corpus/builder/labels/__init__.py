"""Where labels and subjects come from: annotations, folders and tables."""
