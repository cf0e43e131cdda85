"""Profiles: the golden record of each person, and what the person has done."""
