"""How a software card is put into a virtual reader behind the real PC/SC service (pcscd with vsmartcard's vpcd)."""
