"""Any of the rooms, opened for a person to look at."""
