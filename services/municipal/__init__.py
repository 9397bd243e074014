"""The municipality (市区町村): the resident register, its households, and the resident codes it may give out.

It trusts its own counters to report what was shown to them, and the agency to allot codes that nobody else has. It must
never overwrite a row of history, never give a code out twice, and never send more of a resident upward than the four
attributes, the code and change information.
"""
