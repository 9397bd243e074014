"""What the prefectures and the agency hold and answer alike: identity-confirmation information (本人確認情報).

It owns the four attributes, the resident code and change information, and nothing else of a resident record. It trusts
a municipality for its own residents only. It must never answer before the look-up is durable in the audit log, release
an item that the purposes table does not give, or take a change from anyone but the municipality it is about.
"""
