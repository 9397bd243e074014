"""Jukinet's services: two base rooms (`foundation`, `vocabulary`), what the upper tiers share (`confirmation`), and a room per tier."""
