"""Jukinet's services: two base rooms (`foundation`, `vocabulary`), what the upper tiers share, and a room per tier."""
