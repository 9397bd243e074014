"""The designated agency (指定情報処理機関): the nation's identity-confirmation information and the resident-code pools.

It trusts a prefecture to pass on its municipalities' notifications, never to make them; it must never hold more of a
resident than the four attributes, the code and change information.
"""
