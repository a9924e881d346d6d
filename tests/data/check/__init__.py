"""Faults planted one at a time into clean data, and looked for where they were planted."""
