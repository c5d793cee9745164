"""What commands show that takes more than a few lines."""
