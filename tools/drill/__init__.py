"""Drills: what an attacker would do, done to a real log, so that it is known whether it would be found."""
